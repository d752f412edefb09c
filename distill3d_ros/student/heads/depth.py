"""Dense metric depth after DPT (Ranftl et al. 2021): from the patch tokens and the finer maps, or with VGGT's head.

A head predicts the logarithm of depth for a camera of a canonical focal length, and adds log(focal / canonical): the
same image taken through a lens twice as long shows things twice as far away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import DepthConfig
from distill3d_ros.student.encoder.vggt import Encoder, EncoderFeatures, Mlp
from distill3d_ros.student.heads.dpt import DptHead

_LOG_RANGE = (math.log(0.01), math.log(500.0))


@dataclass(kw_only=True, slots=True)
class DepthOutput:
    """Letters as in outputs.py."""

    depth: Tensor  # (B, S, H, W) metres
    log_error: Tensor  # (B, S, H, W)
    log_depth: Tensor  # (B, S, H/4, W/4), or (B, S, H, W) of a DPT or where depth is measured
    at_patches: Tensor  # (B, S, P) metres, geometric mean over the patch
    scale: Tensor  # (B,) metres per unit of the encoder's translations; 1 where that unit is the metre


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions around the identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(functional.relu(self.conv1(functional.relu(x))))


class Lateral(nn.Module):
    """Brings a map of the patch embedding to the width of the fusion; it is normalised first, as its scale is free."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.proj = nn.Linear(channels, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class FusionDepthHead(nn.Module):
    """Fuses strides 16, 8 and 4 and predicts at stride 4."""

    def __init__(self, config: DepthConfig, *, dim: int, channels: dict[int, int]) -> None:
        super().__init__()
        self.config = config
        half = config.dim // 2
        self.project = nn.Linear(dim, config.dim)
        self.lateral_8 = Lateral(channels[8], config.dim)
        self.lateral_4 = Lateral(channels[4], half)
        self.refine_16 = ResidualUnit(config.dim)
        self.refine_8 = ResidualUnit(config.dim)
        self.narrow = nn.Conv2d(config.dim, half, 1)
        self.refine_4 = ResidualUnit(half)
        self.output = nn.Conv2d(half, 2, 1)
        nn.init.normal_(self.output.weight, std=0.01)

    def forward(self, features: EncoderFeatures, intrinsics: Tensor) -> DepthOutput:
        """``intrinsics`` (B, S, 4)"""
        b, s = features.patches.shape[:2]
        x = self.project(features.patches).flatten(0, 1).transpose(1, 2).unflatten(2, features.grid)
        x = enlarge(self.refine_16(x.contiguous(memory_format=torch.channels_last)), features.fine[8])
        x = self.refine_8(x + self.lateral_8(features.fine[8]))
        x = enlarge(self.narrow(x), features.fine[4])
        x = self.refine_4(x + self.lateral_4(features.fine[4]))
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would quantise log depth to half a per cent
            raw = self.output(functional.relu(x.float())).unflatten(0, (b, s))  # (B, S, 2, H/4, W/4)
        offset = _log_focal(intrinsics, self.config.canonical_focal) + math.log(self.config.initial_depth)
        log_depth = (raw[:, :, 0] + offset).clamp(*_LOG_RANGE)
        log_error = raw[:, :, 1].clamp(-7.0, 2.0) - 1.5
        height, width = (n * features.patch_size for n in features.grid)
        pooled = functional.avg_pool2d(log_depth, features.patch_size // 4).flatten(2)
        return DepthOutput(
            depth=functional.interpolate(log_depth, size=(height, width), mode="bilinear", align_corners=False).exp(),
            log_error=functional.interpolate(log_error, size=(height, width), mode="bilinear", align_corners=False),
            log_depth=log_depth,
            at_patches=pooled.exp(),
            scale=torch.ones(b, device=log_depth.device),
        )


class DptDepthHead(nn.Module):
    """VGGT's depth head, whose depth is relative, and the scale that makes it metric.

    The scale is one for a scene, of all its frames: read from the first frame's camera token at the canonical focal
    length, and multiplied by the first camera's.
    """

    def __init__(self, config: DepthConfig, *, width: int) -> None:
        super().__init__()
        self.config = config
        self.dpt = DptHead(width, features=config.dpt_features, channels=config.dpt_channels)
        self.scale = Mlp(width, width // 4, 1)
        nn.init.zeros_(self.scale.fc2.weight)
        nn.init.zeros_(self.scale.fc2.bias)

    def forward(self, features: EncoderFeatures, intrinsics: Tensor) -> DepthOutput:
        """``intrinsics`` (B, S, 4)"""
        b, s = features.patches.shape[:2]
        levels = [x[:, :, features.special_tokens :].flatten(0, 1).float() for x in features.levels]
        with torch.autocast(features.patches.device.type, enabled=False):
            raw = self.dpt(levels, features.grid, features.patch_size).unflatten(0, (b, s))  # (B, S, 2, H, W)
            log_depth, log_scale = raw[:, :, 0], raw.new_zeros(b, 1, 1, 1)
            if self.config.metric:
                log_scale = self.scale(features.camera[:, 0].float())[..., None, None]
                log_scale = log_scale + _log_focal(intrinsics[:, :1], self.config.canonical_focal)
            log_depth = log_depth + log_scale
        log_depth = log_depth.clamp(*_LOG_RANGE)
        pooled = functional.avg_pool2d(log_depth, features.patch_size).flatten(2)
        return DepthOutput(
            depth=log_depth.exp(),
            log_error=-functional.softplus(raw[:, :, 1]).clamp(max=8.0),  # VGGT's confidence is 1 + exp(c)
            log_depth=log_depth,
            at_patches=pooled.exp(),
            scale=log_scale.flatten().exp(),
        )


def build_depth_head(config: DepthConfig, encoder: Encoder) -> FusionDepthHead | DptDepthHead:
    """The head that ``config.kind`` names; ``measured`` needs none, see ``measured_depth``."""
    if config.kind == "dpt":
        return DptDepthHead(config, width=encoder.config.width)
    return FusionDepthHead(config, dim=encoder.config.width, channels=encoder.patch_embed.channels)


def _log_focal(intrinsics: Tensor, canonical: float) -> Tensor:
    """(..., 4) -> (..., 1, 1) log of the geometric mean of the focal lengths over the canonical one."""
    return (intrinsics[..., :2].log().mean(-1) - math.log(canonical))[..., None, None]


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """``x`` at the height and width of ``like``, bilinear."""
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
