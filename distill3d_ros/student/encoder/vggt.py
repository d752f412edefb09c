"""The encoder: patch embedding, then attention that alternates between one frame and all frames (VGGT, CVPR 2025).

Letters as in outputs.py; K special tokens a frame (one camera token and the registers) come before its P patches. The
names of the parameters are VGGT's, so that its public weights can be mapped one to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import EncoderConfig
from distill3d_ros.student.encoder.attention import attend
from distill3d_ros.student.encoder.patch_embed import build_patch_embed

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines (tokens, head_dim) by which queries and keys are turned."""


@dataclass(kw_only=True, slots=True)
class EncoderFeatures:
    """The encoder's output, input of the heads."""

    patches: Tensor  # (B, S, P, D)
    camera: Tensor  # (B, S, D)
    levels: list[Tensor]  # one an intermediate layer, (B, S, K + P, 2 D'), frame half first
    fine: dict[int, Tensor]  # stride -> (BS, c, H / stride, W / stride)
    grid: tuple[int, int]  # (h, w)
    patch_size: int

    @property
    def special_tokens(self) -> int:
        """K, in front of the patches of a level."""
        return self.levels[0].shape[2] - self.patches.shape[2] if self.levels else 0


def rope_2d(
    grid: tuple[int, int], special_tokens: int, head_dim: int, base: float, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosines and sines (K + P, head_dim) of a frame's tokens. Patches count from 1; special tokens are at 0, unturned.

    The first half of the channels turns with the row, the second with the column.
    """
    quarter = head_dim // 4
    frequencies = base ** (-torch.arange(quarter, device=device, dtype=torch.float32) / quarter)
    y, x = (torch.arange(1, n + 1, device=device, dtype=torch.float32) for n in grid)
    positions = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    positions = torch.cat([positions.new_zeros(special_tokens, 2), positions])
    angles = positions[:, :, None] * frequencies  # (K + P, 2, quarter)
    angles = torch.cat([angles, angles], -1).flatten(1)  # each half holds its angles twice
    return angles.cos(), angles.sin()


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns ``x`` (..., tokens, head_dim); within a half, channel i pairs with channel i + quarter."""
    a, b, c, d = x.chunk(4, -1)
    return x * cos + torch.cat([-b, a, -d, c], -1) * sin


class Attention(nn.Module):
    """Self-attention; queries and keys may be normalised a head, and turned by their position."""

    def __init__(self, dim: int, heads: int, *, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = nn.LayerNorm(dim // heads) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(dim // heads) if qk_norm else nn.Identity()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rotation: Rotation | None = None) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (3, B, heads, tokens, head_dim)
        q, k, v = qkv
        q, k = self.q_norm(q), self.k_norm(k)
        if rotation is not None:
            q, k = apply_rope(q, *rotation), apply_rope(k, *rotation)
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

    def __init__(
        self, dim: int, heads: int, *, mlp_ratio: float = 4.0, layer_scale: float = 0.01, qk_norm: bool = True
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads, qk_norm=qk_norm)
        self.ls1 = LayerScale(dim, layer_scale)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.ls2 = LayerScale(dim, layer_scale)

    def forward(self, x: Tensor, rotation: Rotation | None = None) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x), rotation))
        return x + self.ls2(self.mlp(self.norm2(x)))


def _block(config: EncoderConfig) -> Block:
    return Block(config.dim, config.heads, mlp_ratio=config.mlp_ratio, layer_scale=config.layer_scale)


class Encoder(nn.Module):
    """Frames to tokens. Its input is pixels without camera parameters: the heads that need the intrinsics take them
    themselves, so that depth can scale exactly with the focal length."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = build_patch_embed(config)
        # Index 0 is for the first frame of a scene, 1 for every other frame.
        self.camera_token = nn.Parameter(torch.randn(1, 2, 1, config.dim) * 0.02)
        self.register_token = nn.Parameter(torch.randn(1, 2, config.registers, config.dim) * 0.02)
        self.frame_blocks = nn.ModuleList(_block(config) for _ in range(config.pairs))
        self.global_blocks = nn.ModuleList(_block(config) for _ in range(config.pairs))
        self.norm = nn.Identity() if config.intermediate_layers else nn.LayerNorm(config.dim)

    def forward(self, images: Tensor, point_embedding: Tensor | None = None) -> EncoderFeatures:
        """``images`` (B, S, 3, H, W) in 0..1; ``point_embedding`` (B, S, P, D), of the patches' surface points where
        depth is measured (see ``measured_depth``), is added to the patch tokens."""
        frames = images.shape[1]
        if frames > 1 and not self.config.joint_frames:
            if point_embedding is not None:
                point_embedding = point_embedding.flatten(0, 1)[:, None]
            return _together(self.forward(images.flatten(0, 1)[:, None], point_embedding), frames)
        b, s = images.shape[:2]
        embedded = self.patch_embed(images.flatten(0, 1))
        patches = embedded.tokens.unflatten(0, (b, s))
        if point_embedding is not None:
            patches = patches + point_embedding.to(patches.dtype)
        x = torch.cat([self._special_tokens(b, s).to(patches.dtype), patches], 2)  # (B, S, K + P, D)
        special_tokens, tokens = x.shape[2] - patches.shape[2], x.shape[2]
        head_dim = self.config.dim // self.config.heads
        cos, sin = rope_2d(embedded.grid, special_tokens, head_dim, self.config.rope_base, x.device)
        everywhere = cos.repeat(s, 1), sin.repeat(s, 1)
        levels = []
        for index, (frame_block, global_block) in enumerate(zip(self.frame_blocks, self.global_blocks, strict=True)):
            in_frame = frame_block(x.flatten(0, 1), (cos, sin))
            x = global_block(in_frame.reshape(b, s * tokens, -1), everywhere).unflatten(1, (s, tokens))
            if index in self.config.intermediate_layers:
                levels.append(torch.cat([in_frame.unflatten(0, (b, s)), x], -1))
        last = levels[-1] if levels else self.norm(x)  # VGGT hands its levels on as they are
        return EncoderFeatures(
            patches=last[:, :, special_tokens:].float(),  # the output is float32, whatever the arithmetic was
            camera=last[:, :, 0].float(),
            levels=levels,
            fine=embedded.fine,
            grid=embedded.grid,
            patch_size=self.patch_embed.patch_size,
        )

    def _special_tokens(self, b: int, s: int) -> Tensor:
        """(B, S, K, D)"""
        slots = torch.cat([self.camera_token, self.register_token], 2)[0]  # (2, K, D)
        index = torch.ones(s, dtype=torch.long, device=slots.device)
        index[0] = 0
        return slots[index].expand(b, -1, -1, -1)


def _together(apart: EncoderFeatures, frames: int) -> EncoderFeatures:
    """(B S, 1, ...) of frames that were encoded as scenes of their own -> (B, S, ...)."""
    return EncoderFeatures(
        patches=apart.patches.squeeze(1).unflatten(0, (-1, frames)),
        camera=apart.camera.squeeze(1).unflatten(0, (-1, frames)),
        levels=[x.squeeze(1).unflatten(0, (-1, frames)) for x in apart.levels],
        fine=apart.fine,
        grid=apart.grid,
        patch_size=apart.patch_size,
    )
