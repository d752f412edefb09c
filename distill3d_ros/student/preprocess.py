"""Preprocessing: a camera's image and intrinsics to the student's input. numpy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.student.antialias import Float32, resize_antialiased


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInput:
    """One frame, resized; stack several for a batch."""

    image: Float32  # (3, H, W) in 0..1
    intrinsics: Float32  # (4,) fx, fy, cx, cy in pixels of the resized image


def resize_depth(depth: NDArray[np.floating], size: tuple[int, int]) -> Float32:
    """(H, W) metres -> float32 at ``size`` (height, width), by the nearest pixel: means would lie in mid-air."""
    height, width = depth.shape
    rows = np.minimum(((np.arange(size[0]) + 0.5) * height / size[0]).astype(int), height - 1)
    columns = np.minimum(((np.arange(size[1]) + 0.5) * width / size[1]).astype(int), width - 1)
    return np.asarray(depth, np.float32)[rows[:, None], columns]


def network_size(width: int, height: int, *, area: int = 224 * 224, multiple: int = 32) -> tuple[int, int]:
    """(width, height) of about ``area`` pixels that keeps the aspect, both multiples of ``multiple``.

    Of the sizes next to the ideal one it takes the one whose aspect, then whose area, is nearest.
    """
    if width < 1 or height < 1:
        raise ValueError(f"image must have at least one pixel. Got {width}x{height}")
    ideal_width = math.sqrt(area * width / height)
    ideal_height = area / ideal_width
    best: tuple[float, tuple[int, int]] | None = None
    for w in _around(ideal_width, multiple):
        for h in _around(ideal_height, multiple):
            cost = abs(math.log(w / h * height / width)) + 0.5 * abs(math.log(w * h / area))
            if best is None or cost < best[0]:
                best = (cost, (w, h))
    assert best is not None
    return best[1]


def _around(value: float, multiple: int) -> list[int]:
    """The multiples just below and above, at least one."""
    low = max(1, math.floor(value / multiple))
    return [low * multiple, (low + 1) * multiple]


def preprocess(
    image: NDArray[np.uint8], intrinsics: NDArray[np.floating], *, area: int = 224 * 224, multiple: int = 32
) -> NetworkInput:
    """``image`` (H, W, 3) uint8 RGB and its ``intrinsics`` fx, fy, cx, cy, resized together with area filtering.

    The aspect changes by up to a few per cent to meet the multiple; the intrinsics account for it (fx and fy differ).
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3) uint8 RGB. Got shape {image.shape}, {image.dtype}")
    height, width = image.shape[:2]
    k = np.asarray(intrinsics, np.float64)
    if k.shape != (4,) or not np.isfinite(k).all() or (k[:2] <= 0).any():
        raise ValueError(f"intrinsics must be finite fx, fy, cx, cy with positive focal lengths. Got {k.tolist()}")
    new_width, new_height = network_size(width, height, area=area, multiple=multiple)
    if (new_width, new_height) == (width, height):
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32)
    else:
        pixels = resize_antialiased(image, (new_height, new_width))
    pixels *= np.float32(1 / 255)
    sx, sy = new_width / width, new_height / height
    scaled = [k[0] * sx, k[1] * sy, (k[2] + 0.5) * sx - 0.5, (k[3] + 0.5) * sy - 0.5]  # pixel centres are integers
    return NetworkInput(image=pixels.clip(0, 1, out=pixels), intrinsics=np.array(scaled, np.float32))
