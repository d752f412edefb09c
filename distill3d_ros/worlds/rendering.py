"""What draws rooms: OpenGL where it can be had, and ray casting on the CPU where it cannot.

Both give the same depth and ids up to the outlines of things; docs/renderers.md says how close they are.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.worlds.cameras import CameraPose
from distill3d_ros.worlds.room import Room

ENVIRONMENT_VARIABLE = "DISTILL3D_RENDERER"
"""``gl`` or ``raycast`` asks for one renderer; empty for OpenGL, and ray casting where there is none."""

RendererKind = Literal["gl", "raycast"]

NEAR, FAR = 0.04, 40.0
"""Metres; what is nearer or farther is not drawn."""

MAX_LIGHTS = 4

GL_REMEDY = "On Debian or Ubuntu: apt install libegl1 libgl1-mesa-dri"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one camera sees."""

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
        """For a person: what draws."""

    @property
    def room(self) -> Room | None:
        """Which room is drawn; None before the first ``set_room``."""

    def set_room(self, room: Room) -> None:
        """Takes a room. Call it again after the room changed."""

    def render(self, camera: CameraPose, *, supersample: int = 2, occlusion: float = 0.8) -> Observation:
        """Draws the room as ``camera`` sees it. ``supersample`` squared samples are averaged for each pixel."""

    def measure(self, camera: CameraPose) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        """Only depth (H, W) and ids (H, W)."""

    def close(self) -> None:
        """Gives back what it holds."""


def make_renderer(
    kind: RendererKind | None = None, *, threads: int | None = None, warn: Callable[[str], None] | None = None
) -> RoomRenderer:
    """The renderer that was asked for, or the best one that this machine has.

    Args:
        kind: None is what $DISTILL3D_RENDERER says, and without it OpenGL, or ray casting where there is no OpenGL.
        threads: of software OpenGL, see ``gl_renderer.Renderer``.
        warn: is told, once, when ray casting takes the place of OpenGL; None warns as Python does.

    Raises:
        RuntimeError: OpenGL was asked for and there is none.
        ValueError: the variable names no renderer.
    """
    kind = kind or _asked_for()
    if kind != "raycast":
        try:
            from distill3d_ros.worlds.gl_renderer import Renderer

            return Renderer(threads=threads)
        except Exception as error:  # moderngl, glcontext and drivers each raise their own
            if kind == "gl":
                raise
            text = no_gl(error)
        if warn is None:
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        else:
            warn(text)
    from distill3d_ros.worlds.raycast import RayCaster

    return RayCaster()


def renderer_kind(*, warn: Callable[[str], None] | None = None) -> RendererKind:
    """Which renderer ``make_renderer`` gives here; it is made, and closed. For whoever hands work to others.

    Raises:
        RuntimeError, ValueError: as ``make_renderer``.
    """
    renderer = make_renderer(threads=0, warn=warn)
    try:
        return renderer.kind
    finally:
        renderer.close()


def no_gl(error: Exception) -> str:
    """The warning that goes with the fallback."""
    return (
        f"no OpenGL ({error.__cause__ or error}), so rooms are ray-cast on the CPU: about 0.5 s a picture of 224 x "
        f"224 and 2 s a room in place of 0.05 s, with hard shadows and without ambient occlusion. {GL_REMEDY}"
    )


def _asked_for() -> RendererKind | None:
    name = os.environ.get(ENVIRONMENT_VARIABLE, "")
    for kind in get_args(RendererKind):
        if name == kind:
            return kind
    if name:
        raise ValueError(f"{ENVIRONMENT_VARIABLE} must be gl or raycast, or not set. Got {name!r}")
    return None
