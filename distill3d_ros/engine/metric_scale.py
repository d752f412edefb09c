"""The source of a perception's metric scale, and its correction by the known height of the camera."""

from __future__ import annotations

from collections.abc import Sequence

from distill3d_ros.scene.floor import floor_distance, scale_by_floor
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.scale import ScaleSource
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.student import Student


def scale_source(student: Student, views: Sequence[Frame]) -> ScaleSource:
    """Where the scale comes from, before a camera's height corrects it."""
    if not student.config.depth.metric:
        return ""
    if student.takes_depth:
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
    depth = perception.log_depth[0, 0].float().exp().cpu().numpy()
    height, width = depth.shape
    fx, fy, cx, cy = perception.intrinsics[0, 0].tolist()
    seen_at = perception.image_size
    camera = Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy, width=seen_at[1], height=seen_at[0])
    # The level frame's axes are x right, y down, z forward.
    up = -perception.level_from_optical[0, 1].float().cpu().numpy()
    factor = scale_by_floor(floor_distance(depth, camera.resized(width=width, height=height), up), camera_height)
    return (perception, False) if factor == 1.0 else (perception.scaled(factor), True)
