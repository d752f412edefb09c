"""VGGT's camera head: poses and fields of view of the frames of a scene, refined iteratively.

The names of the parameters are VGGT's, so that its public weights can be mapped one to one. Letters as in outputs.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.encoder.vggt import Block, Mlp

ENCODING = 9
"""Numbers of a pose encoding, see ``pose_encoding``."""


class PoseHead(nn.Module):
    """From camera tokens to pose encodings; frames attend to each other, their order does not matter."""

    def __init__(self, dim: int, *, layers: int = 4, heads: int = 16, iterations: int = 4) -> None:
        super().__init__()
        self.iterations = iterations
        self.token_norm = nn.LayerNorm(dim)
        self.empty_pose_tokens = nn.Parameter(torch.zeros(1, 1, ENCODING))
        self.embed_pose = nn.Linear(ENCODING, dim)
        self.poseLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 3 * dim))
        self.adaptive_norm = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.trunk = nn.ModuleList(Block(dim, heads, qk_norm=False) for _ in range(layers))
        self.trunk_norm = nn.LayerNorm(dim)
        self.pose_branch = Mlp(dim, dim // 2, ENCODING)

    def forward(self, camera: Tensor) -> list[Tensor]:
        """Camera tokens (B, S, D) -> the encodings (B, S, 9) after each iteration, the best last."""
        with torch.autocast(camera.device.type, enabled=False):
            tokens = self.token_norm(camera.float())
            estimate, encodings = None, []
            for _ in range(self.iterations):
                # The estimate is fed back before its activation, without gradient.
                known = self.empty_pose_tokens.expand(*tokens.shape[:2], -1) if estimate is None else estimate.detach()
                shift, scale, gate = self.poseLN_modulation(self.embed_pose(known)).chunk(3, -1)
                x = gate * (self.adaptive_norm(tokens) * (1 + scale) + shift) + tokens
                for block in self.trunk:
                    x = block(x)
                change = self.pose_branch(self.trunk_norm(x))
                estimate = change if estimate is None else estimate + change
                encodings.append(torch.cat([estimate[..., :7], functional.relu(estimate[..., 7:])], -1))
            return encodings
