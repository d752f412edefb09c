"""Choice of the renderer: OpenGL where it is available, else ray casting on the CPU.

Both give the same depth and ids up to the outlines of things; docs/renderers.md has the differences.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import get_args

from distill3d_ros.worlds.rendering.interface import GL_REMEDY, RendererKind, RoomRenderer

ENVIRONMENT_VARIABLE = "DISTILL3D_RENDERER"
"""``gl`` or ``raycast`` asks for one renderer; empty for OpenGL, and ray casting where there is none."""


def make_renderer(
    kind: RendererKind | None = None, *, threads: int | None = None, warn: Callable[[str], None] | None = None
) -> RoomRenderer:
    """The requested renderer, or the best one that this machine has.

    Args:
        kind: None takes $DISTILL3D_RENDERER, and without it OpenGL, or ray casting where there is no OpenGL.
        threads: of software OpenGL, see ``gl_renderer.Renderer``.
        warn: called once, with the message, when ray casting replaces OpenGL; None issues a Python warning.

    Raises:
        RuntimeError: OpenGL was requested and there is none.
        ValueError: the variable names no renderer.
    """
    kind = kind or _requested_kind()
    if kind != "raycast":
        try:
            from distill3d_ros.worlds.rendering.gl_renderer import Renderer

            return Renderer(threads=threads)
        except Exception as error:  # moderngl, glcontext and drivers each raise their own
            if kind == "gl":
                raise
            text = no_gl(error)
        if warn is None:
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        else:
            warn(text)
    from distill3d_ros.worlds.rendering.raycast import RayCaster

    return RayCaster()


def renderer_kind(*, warn: Callable[[str], None] | None = None) -> RendererKind:
    """The kind of renderer that ``make_renderer`` gives here; it is made, and closed. For processes that start workers.

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


def _requested_kind() -> RendererKind | None:
    name = os.environ.get(ENVIRONMENT_VARIABLE, "")
    for kind in get_args(RendererKind):
        if name == kind:
            return kind
    if name:
        raise ValueError(f"{ENVIRONMENT_VARIABLE} must be gl or raycast, or not set. Got {name!r}")
    return None
