"""Measured depth as input: for a student with an RGB-D camera, and for a privileged teacher.

Letters as in outputs.py.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import DepthConfig
from distill3d_ros.student.encoder.vggt import EncoderFeatures, Mlp
from distill3d_ros.student.heads.depth import DepthOutput
from distill3d_ros.student.rays import fourier

_OCTAVES, _LOWEST = 7, 0.0625
"""Sines and cosines of a point from 16 m to 25 cm a cycle."""
_RELIEF = 4
"""Cells a side in which a patch's depth relative to its mean is encoded: edges and slopes."""
_LOG_ERROR = {True: math.log(0.01), False: math.log(0.3)}
"""Expected |log depth error| where the depth is known, and where it was filled in."""


class MeasuredDepth(nn.Module):
    """In place of a depth head: passes the measured depth on, and embeds each patch's surface point for the encoder.

    The 3D patches of LLaVA-3D (Zhu et al. 2024): the mean surface point of a patch goes through an MLP and is added to
    the patch's token. Points are in the first camera's level frame where up is known, else in its optical frame, which
    takes the camera to be level. The MLP's input is the point, its sines and cosines, and the patch's relief.
    """

    def __init__(self, config: DepthConfig, *, dim: int) -> None:
        super().__init__()
        self.config = config
        self.place = Mlp(3 + 3 * 2 * _OCTAVES + _RELIEF**2, dim, dim)
        nn.init.zeros_(self.place.fc2.weight)  # adds nothing at initialisation
        nn.init.zeros_(self.place.fc2.bias)

    def point_embedding(
        self, depth: Tensor, intrinsics: Tensor, level: Tensor | None, poses: Tensor | None, patch: int
    ) -> Tensor:
        """(B, S, P, D) to be added to the patch tokens; zero where no pixel of a patch is known.

        Args:
            depth: (B, S, H, W) metres, 0 or NaN where unknown.
            level: (B, 3, 3) of the first frame, or None.
            poses: (B, S, 4, 4) first camera from each, or None.
        """
        with torch.autocast(depth.device.type, enabled=False):  # bfloat16 would round metres
            depth = depth.float()
            known = is_known(depth)
            points = _surface(torch.where(known, depth, torch.zeros_like(depth)), intrinsics.float())
            share = _pooled(known.float(), patch)  # (B, S, P)
            mean = torch.stack([_pooled(x, patch) for x in points], -1) / share.clamp_min(1e-6)[..., None]
            if poses is not None:
                mean = (poses[:, :, None, :3, :3].float() * mean[..., None, :]).sum(-1) + poses[:, :, None, :3, 3]
            if level is not None:
                mean = (level[:, None, None].float() * mean[..., None, :]).sum(-1)
            relief = self._relief(filled(depth, self._fallback(intrinsics)), patch)
            features = torch.cat([fourier(mean.clamp(-16, 16), _OCTAVES, _LOWEST), relief], -1)
            return self.place(features) * (share > 0)[..., None]

    def forward(self, features: EncoderFeatures, intrinsics: Tensor, depth: Tensor) -> DepthOutput:
        """``intrinsics`` (B, S, 4), ``depth`` (B, S, H, W) as above; unknown pixels are filled in."""
        depth = depth.float()
        whole = filled(depth, self._fallback(intrinsics))
        known = is_known(depth)
        log_error = torch.where(known, _LOG_ERROR[True], _LOG_ERROR[False]).to(whole.dtype)
        log_depth = whole.log()
        return DepthOutput(
            depth=whole,
            log_error=log_error,
            log_depth=log_depth,
            at_patches=_pooled(log_depth, features.patch_size).exp(),
            scale=torch.ones(len(whole), device=whole.device),
        )

    def _fallback(self, intrinsics: Tensor) -> Tensor:
        """(B, S) metres for a frame without any known pixel."""
        focal = intrinsics[..., :2].float().log().mean(-1).exp()
        return self.config.initial_depth * focal / self.config.canonical_focal

    def _relief(self, depth: Tensor, patch: int) -> Tensor:
        """(B, S, P, cells) log depth of each cell of a patch over the patch's mean."""
        log_depth = depth.log()
        h, w = (n // patch for n in depth.shape[-2:])
        cells = functional.adaptive_avg_pool2d(log_depth, (_RELIEF * h, _RELIEF * w))
        cells = cells.unflatten(-1, (w, _RELIEF)).unflatten(-3, (h, _RELIEF)).permute(0, 1, 2, 4, 3, 5)
        cells = cells.flatten(-2).flatten(2, 3)  # (B, S, P, cells)
        return (4.0 * (cells - cells.mean(-1, keepdim=True))).clamp(-4.0, 4.0)


def is_known(depth: Tensor) -> Tensor:
    """Bool: where a depth image has a value."""
    return torch.isfinite(depth) & (depth > 0)


def filled(depth: Tensor, fallback: Tensor) -> Tensor:
    """(B, S, H, W) with every unknown pixel replaced by the geometric mean of the known pixels around it.

    Pixels are averaged two by two until everything is known, and unknown pixels of a level are taken from the next
    coarser one (Gortler et al., The Lumigraph, 1996, pull and push). A frame without any known pixel has the depth
    ``fallback`` (B, S).
    """
    known = is_known(depth)
    value, weight = torch.where(known, depth, torch.ones_like(depth)).log(), known.to(depth.dtype)
    levels = [(value, weight)]
    while max(value.shape[-2:]) > 1 and not bool((weight > 0).all()):
        total = functional.avg_pool2d(value * weight, 2, ceil_mode=True, count_include_pad=False)
        weight = functional.avg_pool2d(weight, 2, ceil_mode=True, count_include_pad=False)
        value = total / weight.clamp_min(1e-9)
        weight = (weight > 0).to(value.dtype)
        levels.append((value, weight))
    value, weight = levels.pop()
    value = torch.where(weight > 0, value, fallback.log()[..., None, None].to(value.dtype))
    for finer, there in reversed(levels):
        rows = torch.arange(finer.shape[-2], device=finer.device) // 2
        columns = torch.arange(finer.shape[-1], device=finer.device) // 2
        value = torch.where(there > 0, finer, value[..., rows[:, None], columns])
    return torch.where(known, depth, value.exp())


def _surface(depth: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x, y and z (B, S, H, W) in each camera's optical frame; zero where the depth is."""
    height, width = depth.shape[-2:]
    u = torch.arange(width, device=depth.device, dtype=depth.dtype)
    v = torch.arange(height, device=depth.device, dtype=depth.dtype)[:, None]
    fx, fy, cx, cy = (intrinsics[..., i, None, None] for i in range(4))
    return (u - cx) / fx * depth, (v - cy) / fy * depth, depth


def _pooled(x: Tensor, patch: int) -> Tensor:
    """(B, S, H, W) -> (B, S, P) means over the patches."""
    return functional.avg_pool2d(x, patch).flatten(2)
