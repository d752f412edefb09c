"""A furniture model: mesh, colours and textures, mount."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Split = Literal["train", "test"]

Mount = Literal["floor", "top", "wall", "ceiling"]

TEXTURE_SIZE = 128
"""Side of a model's textures, pixels."""


@dataclass(kw_only=True, slots=True, eq=False)
class FurnitureModel:
    """A thing's shape and appearance, in its own axes: x width, +y front, z up, origin in the centre of its base.

    V vertices, F triangles, L textures. Windings are not reliable: shade both sides.
    """

    name: str
    """Stable id, ``library#model``."""
    label: str
    """One of ``scene.labels.LABELS``; empty for clutter, which has no name."""
    vertices: npt.NDArray[np.float32]
    """(V, 3) metres."""
    faces: npt.NDArray[np.int32]
    """(F, 3)"""
    face_colors: npt.NDArray[np.uint8]
    """(F, 3) sRGB; of a textured face the mean of its texture."""
    face_layers: npt.NDArray[np.int16]
    """(F,) index into ``textures``; -1 for a face that only has its colour."""
    face_uvs: npt.NDArray[np.float32]
    """(F, 3, 2) texture coordinates of each face's corners, repeating; v = 0 is the first row of the texture."""
    textures: npt.NDArray[np.uint8]
    """(L, TEXTURE_SIZE, TEXTURE_SIZE, 3) sRGB; L may be 0."""
    size: npt.NDArray[np.float64]
    """(3,) extents along x, y, z."""
    has_front: bool
    """Whether front and back differ."""
    drop_top: float | None
    """Height at which things can stand on it; None where nothing should."""
    mount: Mount
    """floor, top (small: stands on other things), wall (hangs or is set into it) or ceiling."""
    elevation: float
    """Usual height of the base above the floor, metres; 0 for all but things on a wall or ceiling."""
    split: Split
    family: str
    """Similar models share it, and with it the split."""
    kind: str = ""
    """A subcategory of the label where layouts need it: "coffee table", "nightstand", "corner sofa", ..."""
    creator: str = ""
    license: str = ""
    title: str = ""
    """Its title in the catalogue."""
