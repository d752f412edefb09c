"""The interface of room renderers, and their common limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.room import Room

RendererKind = Literal["gl", "raycast"]

NEAR, FAR = 0.04, 40.0
"""Metres; nearer or farther surfaces are not drawn."""

MAX_LIGHTS = 4

GL_REMEDY = "On Debian or Ubuntu: apt install libegl1 libgl1-mesa-dri"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A camera's colours, depth and object ids."""

    rgb: NDArray[np.uint8]
    """(H, W, 3)"""
    depth: NDArray[np.float32]
    """(H, W) metres along the optical axis at the pixel centre; 0 where there is nothing."""
    ids: NDArray[np.uint16]
    """(H, W) object ids at the pixel centre; 0 is the room itself."""


class RoomRenderer(Protocol):
    """Draws one room at a time."""

    @property
    def kind(self) -> RendererKind: ...

    @property
    def description(self) -> str:
        """Name of the renderer, for messages."""

    @property
    def room(self) -> Room | None:
        """The current room; None before the first ``set_room``."""

    def set_room(self, room: Room) -> None:
        """Makes ``room`` the current one. Call it again after the room changed."""

    def render(self, camera: CameraPose, *, supersample: int = 2, occlusion: float = 0.8) -> Observation:
        """Draws the room from ``camera``. ``supersample`` squared samples are averaged for each pixel."""

    def measure(self, camera: CameraPose) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        """Only depth (H, W) and ids (H, W)."""

    def close(self) -> None:
        """Releases its resources."""
