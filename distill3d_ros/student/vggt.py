"""The encoder: patch embedding, then attention that alternates between one frame and all frames (VGGT, CVPR 2025).

Letters as in outputs.py; K special tokens a frame (one camera token and the registers) come before its P patches. The
names of the parameters are VGGT's, so that its public weights can be mapped one to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.attention import attend
from distill3d_ros.student.config import EncoderConfig
from distill3d_ros.student.patch_embed import build_patch_embed


@dataclass(kw_only=True, slots=True)
class EncoderFeatures:
    """What the heads read."""

    patches: Tensor  # (B, S, P, D)
    camera: Tensor  # (B, S, D)
    fine: dict[int, Tensor]  # stride -> (BS, c, H / stride, W / stride)
    grid: tuple[int, int]  # (h, w)
    patch_size: int


def rope_2d(
    grid: tuple[int, int], specials: int, head_dim: int, base: float, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosines and sines (K + P, head_dim) of a frame's tokens. Patches count from 1; special tokens are at 0, unturned.

    The first half of the channels turns with the row, the second with the column.
    """
    quarter = head_dim // 4
    frequencies = base ** (-torch.arange(quarter, device=device, dtype=torch.float32) / quarter)
    y, x = (torch.arange(1, n + 1, device=device, dtype=torch.float32) for n in grid)
    positions = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    positions = torch.cat([positions.new_zeros(specials, 2), positions])
    angles = positions[:, :, None] * frequencies  # (K + P, 2, quarter)
    angles = torch.cat([angles, angles], -1).flatten(1)  # each half holds its angles twice
    return angles.cos(), angles.sin()


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns ``x`` (..., tokens, head_dim); within a half, channel i pairs with channel i + quarter."""
    a, b, c, d = x.chunk(4, -1)
    return x * cos + torch.cat([-b, a, -d, c], -1) * sin


class Attention(nn.Module):
    """Self-attention whose queries and keys are normalised a head and turned by their position."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = nn.LayerNorm(dim // heads)
        self.k_norm = nn.LayerNorm(dim // heads)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (3, B, heads, tokens, head_dim)
        q, k, v = qkv
        q, k = apply_rope(self.q_norm(q), cos, sin), apply_rope(self.k_norm(k), cos, sin)
        return self.proj(attend(q.to(v.dtype), k.to(v.dtype), v).transpose(1, 2).flatten(2))


class LayerScale(nn.Module):
    """A learned factor a channel."""

    def __init__(self, dim: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), initial))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Mlp(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, dim: int, hidden: int, out: int | None = None) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim if out is None else out)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block with LayerScale."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim)
        self.attn = Attention(config.dim, config.heads)
        self.ls1 = LayerScale(config.dim, config.layer_scale)
        self.norm2 = nn.LayerNorm(config.dim)
        self.mlp = Mlp(config.dim, int(config.dim * config.mlp_ratio))
        self.ls2 = LayerScale(config.dim, config.layer_scale)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x), cos, sin))
        return x + self.ls2(self.mlp(self.norm2(x)))


class Encoder(nn.Module):
    """Frames to tokens. It sees pixels and no camera parameters: heads that need the lens are told of it themselves,
    so that depth can scale exactly with the focal length."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = build_patch_embed(config)
        # Index 0 is for the first frame of a scene, 1 for every other frame.
        self.camera_token = nn.Parameter(torch.randn(1, 2, 1, config.dim) * 0.02)
        self.register_token = nn.Parameter(torch.randn(1, 2, config.registers, config.dim) * 0.02)
        self.frame_blocks = nn.ModuleList(Block(config) for _ in range(config.pairs))
        self.global_blocks = nn.ModuleList(Block(config) for _ in range(config.pairs))
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, images: Tensor) -> EncoderFeatures:
        """``images`` (B, S, 3, H, W) in 0..1."""
        b, s = images.shape[:2]
        embedded = self.patch_embed(images.flatten(0, 1))
        patches = embedded.tokens.unflatten(0, (b, s))
        x = torch.cat([self._specials(b, s).to(patches.dtype), patches], 2)  # (B, S, K + P, D)
        specials, tokens = x.shape[2] - patches.shape[2], x.shape[2]
        head_dim = self.config.dim // self.config.heads
        cos, sin = rope_2d(embedded.grid, specials, head_dim, self.config.rope_base, x.device)
        x = x.flatten(0, 1)
        for frame_block, global_block in zip(self.frame_blocks, self.global_blocks, strict=True):
            x = frame_block(x, cos, sin)
            x = global_block(x.reshape(b, s * tokens, -1), cos.repeat(s, 1), sin.repeat(s, 1)).reshape(
                b * s, tokens, -1
            )
        x = self.norm(x).unflatten(0, (b, s))
        return EncoderFeatures(
            patches=x[:, :, specials:],
            camera=x[:, :, 0],
            fine=embedded.fine,
            grid=embedded.grid,
            patch_size=self.patch_embed.patch_size,
        )

    def _specials(self, b: int, s: int) -> Tensor:
        """(B, S, K, D)"""
        slots = torch.cat([self.camera_token, self.register_token], 2)[0]  # (2, K, D)
        index = torch.ones(s, dtype=torch.long, device=slots.device)
        index[0] = 0
        return slots[index].expand(b, -1, -1, -1)
