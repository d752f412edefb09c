"""Pictures and depth at the size and with the camera that a data set is to have."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics

T = TypeVar("T", bound=np.generic)
SMALLEST, LARGEST = 32, 4096


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height as integers; ``ValueError`` unless both lie between 32 and 4096 pixels."""
    if len(size) != 2 or not all(SMALLEST <= side <= LARGEST for side in size):
        raise ValueError(
            f"size must be a width and a height, each between {SMALLEST} and {LARGEST} pixels. Got {tuple(size)}"
        )
    return int(size[0]), int(size[1])


def fit_picture(
    image: NDArray[np.uint8], camera: Intrinsics, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], Intrinsics]:
    """The largest centred part of ``image`` (H, W, 3) with the shape of ``size`` (width, height), resized to it.

    Returns:
        The picture (height, width, 3) and its camera.
    """
    width, height = size
    scale = min(camera.width / width, camera.height / height)
    w, h = min(camera.width, max(1, round(width * scale))), min(camera.height, max(1, round(height * scale)))
    left, top = (camera.width - w) // 2, (camera.height - h) // 2
    cut = image[top : top + h, left : left + w]
    if (w, h) != size:
        method = cv2.INTER_AREA if w > width else cv2.INTER_LINEAR
        cut = cv2.resize(cut, size, interpolation=method).astype(np.uint8)
    seen = camera.cropped(left=left, top=top, width=w, height=h).resized(width=width, height=height)
    return np.ascontiguousarray(cut), seen


def register_depth(depth: FloatArray, camera: Intrinsics, wanted: Intrinsics) -> NDArray[np.float32]:
    """Depth as another camera at the same place with the same axes sees it.

    Each pixel of the result takes the nearest pixel of ``depth``: nothing is averaged across the edge of a thing.

    Args:
        depth: (h, w) metres along the optical axis, 0 where unknown.
        camera: what ``depth`` was taken with.
        wanted: camera of the result.

    Returns:
        (H, W), 0 where unknown or outside ``depth``.
    """
    return nearest_pixels(np.asarray(depth, np.float32), camera, wanted, outside=0.0)


def nearest_pixels(values: NDArray[T], camera: Intrinsics, wanted: Intrinsics, *, outside: float) -> NDArray[T]:
    """What another camera at the same place with the same axes sees of an image (h, w), nothing averaged.

    Returns:
        (H, W) of the same type, ``outside`` where ``values`` does not reach.
    """
    u = (np.arange(wanted.width) - wanted.cx) / wanted.fx * camera.fx + camera.cx
    v = (np.arange(wanted.height) - wanted.cy) / wanted.fy * camera.fy + camera.cy
    column, row = np.floor(u + 0.5).astype(int), np.floor(v + 0.5).astype(int)
    inside = ((row >= 0) & (row < camera.height))[:, None] & ((column >= 0) & (column < camera.width))[None]
    row, column = np.clip(row, 0, camera.height - 1), np.clip(column, 0, camera.width - 1)
    return np.where(inside, values[np.ix_(row, column)], values.dtype.type(outside))
