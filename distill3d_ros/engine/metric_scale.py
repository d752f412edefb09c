"""The source of a perception's metric scale, and its correction by the camera's height or a depth camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distill3d_ros.scene.floor import floor_distance, scale_by_floor
from distill3d_ros.scene.frame import FloatArray, Frame, Intrinsics
from distill3d_ros.scene.scale import ScaleSource
from distill3d_ros.student.arrays import to_numpy
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.preprocess import resize_depth

LEAST_MEASURED = 0.02
"""Share of the picture's pixels with a measured depth below which its scale is not taken from them."""
_NEAREST_M, _FARTHEST_M = 0.2, 8.0
"""Where depth cameras measure well."""


def scale_source(config: StudentConfig, views: Sequence[Frame]) -> ScaleSource:
    """Where the scale comes from, before a camera's height corrects it."""
    if not config.depth.metric:
        return ""
    if config.takes_depth:
        return "depth"
    posed = all(f.world_from_camera is not None for f in views)
    return "several_views" if len(views) > 1 and posed else "learned"


def scaled_by_floor(perception: Perception, camera_height: float | None) -> tuple[Perception, bool]:
    """One frame's perception at the scale at which its floor is ``camera_height`` metres below the camera.

    Depth, boxes and the language model's input are scaled alike. It stays as it is, with False, where the height is not
    known, the depth was handed in, or no floor is in sight. See ``scene.floor`` for how far the floor is trusted.
    """
    if camera_height is None or perception.depth_measured:
        return perception, False
    depth = np.exp(to_numpy(perception.log_depth[0, 0]))
    height, width = depth.shape
    fx, fy, cx, cy = perception.intrinsics[0, 0].tolist()
    seen_at = perception.image_size
    camera = Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy, width=seen_at[1], height=seen_at[0])
    # The level frame's axes are x right, y down, z forward.
    up = -to_numpy(perception.level_from_optical[0, 1])
    factor = scale_by_floor(floor_distance(depth, camera.resized(width=width, height=height), up), camera_height)
    return (perception, False) if factor == 1.0 else (perception.scaled(factor), True)


def scaled_by_depth(perception: Perception, depth: FloatArray | None) -> tuple[Perception, bool]:
    """One frame's perception at the scale of a depth camera: by the median ratio of measured to estimated depth.

    Args:
        depth: (H, W) metres registered to the picture, 0 or NaN where unknown; None without a depth camera.

    Returns:
        the perception, and whether there was enough depth to tell.
    """
    if depth is None or perception.depth_measured:
        return perception, False
    estimated = np.exp(to_numpy(perception.log_depth[0, 0]))
    measured = resize_depth(np.asarray(depth, np.float32), (estimated.shape[0], estimated.shape[1]))
    with np.errstate(invalid="ignore"):
        known = (measured > _NEAREST_M) & (measured < _FARTHEST_M) & (estimated > 0)
    if known.mean() < LEAST_MEASURED:
        return perception, False
    return perception.scaled(float(np.median(measured[known] / estimated[known]))), True
