"""Looks of walls, floors and ceilings, and the lights of a room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(kw_only=True, slots=True, eq=False)
class Surface:
    """What a wall, floor or ceiling looks like: an image that repeats."""

    kind: str
    """plain, planks, tiles, carpet, stripes."""
    image: npt.NDArray[np.uint8]
    """(256, 256, 3) sRGB; tiles without a seam."""
    tile: float
    """Metres that the image covers along each side."""
    gloss: float = 0.0
    """0 matt .. 1 mirror-like; a hint for highlights."""


@dataclass(kw_only=True, slots=True, eq=False)
class Light:
    """A lamp bulb or the sky behind a window, as a point."""

    position: npt.NDArray[np.float64]
    """(3,) world, metres; inside the room."""
    color: npt.NDArray[np.float64]
    """(3,) linear RGB, mean 1."""
    intensity: float
    """Relative; the lights of a room and its ambient light sum to about 1 on a surface that faces them."""
