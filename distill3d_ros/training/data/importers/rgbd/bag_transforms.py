"""The transforms of a bag: where the camera was above the floor, and which way was up."""

from __future__ import annotations

from typing import Any

import numpy as np

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.geometry import invert_pose

FLOOR_FRAMES = ("base_footprint",)
"""On the floor, z up (REP 120)."""
GRAVITY_FRAMES = ("base_footprint", "base_link", "odom", "map", "world")
"""z up (REP 105), the first one that tf knows."""


class BagTransforms:
    """The newest transform of every frame so far."""

    def __init__(self, edges: dict[str, tuple[str, FloatArray]] | None = None) -> None:
        self._edges = edges or {}

    def copy(self) -> BagTransforms:
        return BagTransforms(dict(self._edges))

    def add(self, message: Any) -> None:
        """Take in a tf2_msgs/TFMessage."""
        for transform in message.transforms:
            t, q = transform.transform.translation, transform.transform.rotation
            pose = np.eye(4)
            pose[:3, :3] = rotation_of(q.x, q.y, q.z, q.w)
            pose[:3, 3] = t.x, t.y, t.z
            self._edges[transform.child_frame_id.lstrip("/")] = transform.header.frame_id.lstrip("/"), pose

    def camera(self, frame: str) -> tuple[FloatArray | None, float | None]:
        """(3,) up in a camera's optical frame, and its height above the floor in metres; None where tf has neither."""
        found = {name: self.find(name, frame.lstrip("/")) for name in GRAVITY_FRAMES}
        up = next((pose[2, :3] for pose in found.values() if pose is not None), None)
        floor = next((found[name] for name in FLOOR_FRAMES if found[name] is not None), None)
        height = None if floor is None or floor[2, 3] <= 0 else float(floor[2, 3])
        return (None if up is None else up / np.linalg.norm(up)), height

    def find(self, target: str, source: str) -> FloatArray | None:
        """(4, 4) target from source; None if they are not connected."""
        above_source, above_target = self._above(source), self._above(target)
        shared = next((name for name in above_source if name in above_target), None)
        if shared is None or (len(above_source) == 1 and source not in above_target):
            return None
        return invert_pose(above_target[shared]) @ above_source[shared]

    def _above(self, frame: str) -> dict[str, FloatArray]:
        """Every frame from this one up to the root -> (4, 4) that frame from this one."""
        found: dict[str, FloatArray] = {frame: np.eye(4)}
        pose: FloatArray = np.eye(4)
        while frame in self._edges:
            frame, step = self._edges[frame]
            if frame in found:
                break
            pose = step @ pose
            found[frame] = pose
        return found


def rotation_of(x: float, y: float, z: float, w: float) -> FloatArray:
    """(3, 3) of a quaternion of any length."""
    x, y, z, w = np.array([x, y, z, w]) / max(float(np.linalg.norm([x, y, z, w])), 1e-12)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
