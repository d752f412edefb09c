"""Where a robot's camera may stand in a room, and which of its views are worth keeping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distill3d_ros.scene.frame import FloatArray, Intrinsics


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPose:
    """A camera in a room."""

    intrinsics: Intrinsics
    world_from_optical: FloatArray
    """(4, 4) pose of the optical frame in the room's z-up world, metres."""

    @property
    def up(self) -> FloatArray:
        """(3,) unit vector against gravity in the optical frame."""
        return np.asarray(self.world_from_optical)[2, :3].copy()


def look_at(intrinsics: Intrinsics, *, eye: FloatArray, target: FloatArray, roll: float = 0.0) -> CameraPose:
    """A camera at ``eye`` (3,) that looks at ``target`` (3,); ``roll`` turns it about its viewing direction, radians."""
    forward = np.asarray(target, float) - np.asarray(eye, float)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([c * right + s * down, c * down - s * right, forward], axis=1)
    pose[:3, 3] = eye
    return CameraPose(intrinsics=intrinsics, world_from_optical=pose)
