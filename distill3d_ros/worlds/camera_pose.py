"""A camera's pose in a simulated room."""

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

    @property
    def position(self) -> FloatArray:
        """(3,) world."""
        return np.asarray(self.world_from_optical)[:3, 3]
