"""The student's tensors as arrays of the scene."""

from __future__ import annotations

import torch
from torch.nn import functional

from distill3d_ros.scene.frame import FloatArray


def resized(values: torch.Tensor, size: tuple[int, int]) -> FloatArray:
    """(h, w) -> (H, W) float32, pixel centres kept in place."""
    large = functional.interpolate(values.float()[None, None], size=size, mode="bilinear", align_corners=False)
    return to_numpy(large[0, 0])


def to_numpy(tensor: torch.Tensor) -> FloatArray:
    """The same numbers in float32, whatever the device and the type."""
    return tensor.float().cpu().numpy()
