"""Furniture models: what one is, and the pack of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.recent import Recent

if TYPE_CHECKING:
    from distill3d_ros.worlds.layout_support import SupportMap

Split = Literal["train", "test"]
Mount = Literal["floor", "top", "wall", "ceiling"]

TEXTURE_SIZE = 128
"""Side of a model's textures, pixels."""
KEPT = 600
"""Variants, and support maps, that a pack keeps: of about 7000 and 4000 that rooms would ask for in the end."""


@dataclass(kw_only=True, slots=True, eq=False)
class FurnitureModel:
    """A thing's shape and looks, in its own axes: x its width, +y its front, z up, origin in the centre of its base.

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
    """Whether front and back can be told apart."""
    drop_top: float | None
    """Height at which things can stand on it; None where nothing should."""
    mount: Mount
    """floor, top (small: stands on other things), wall (hangs or is set into it) or ceiling."""
    elevation: float
    """Usual height of the base above the floor, metres; 0 for all but things on a wall or ceiling."""
    split: Split
    family: str
    """Models that look alike share it, and with it the split."""
    kind: str = ""
    """A finer word than the label where layouts need it: "coffee table", "nightstand", "corner sofa", ..."""
    creator: str = ""
    license: str = ""
    title: str = ""
    """The catalogue's name of it."""


@dataclass(slots=True, eq=False)
class FurniturePack:
    """All models, by name and by label."""

    models: tuple[FurnitureModel, ...]
    support_maps: Recent[str, SupportMap] = field(default_factory=lambda: Recent(KEPT), repr=False)
    """By model name; filled by layouts as they need them."""
    _index: dict[tuple[str, str], tuple[FurnitureModel, ...]] = field(default_factory=dict, repr=False)
    _variants: Recent[tuple[str, int], FurnitureModel] = field(default_factory=lambda: Recent(KEPT), repr=False)

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        *,
        cache_dir: str | Path | None = None,
        workers: int = 2,
        progress: bool = True,
    ) -> FurniturePack:
        """Load the pack from the cache; the first time, build it from the libraries (about a minute).

        Args:
            folder: with the .sh3f libraries; default $DISTILL3D_FURNITURE, then where Debian installs them.
            cache_dir: default $XDG_CACHE_HOME/distill3d_ros.
            workers: processes for building.
            progress: show a bar while building.

        Raises:
            FurnitureMissingError: no library, with the command that installs it.
        """
        from distill3d_ros.worlds.pack import load_or_build

        return cls(load_or_build(folder, cache_dir, workers, progress))

    def by_label(self, label: str, split: Split | None = None) -> tuple[FurnitureModel, ...]:
        """The models of a label ("" is clutter) in one split, or in both."""
        key = (label, split or "")
        if key not in self._index:
            self._index[key] = tuple(m for m in self.models if m.label == label and split in (None, m.split))
        return self._index[key]

    def variant(self, model: FurnitureModel, number: int) -> FurnitureModel:
        """The model in other proportions and colours, see ``variants.variant``; kept for a while once it was made."""
        from distill3d_ros.worlds.variants import variant

        return self._variants.get((model.name, number), lambda: variant(model, number))

    def by_name(self, name: str) -> FurnitureModel:
        """A model of the pack, of those made beyond it, or a variant of one, by the name that scenes give."""
        from distill3d_ros.worlds.made import more_designs

        own, variant, number = name.partition("~")
        label = own.partition("#")[2].rpartition("_")[0].replace("_", " ")
        for model in (*self.models, *more_designs(label)):
            if model.name == own:
                return self.variant(model, int(number)) if variant else model
        raise KeyError(f"the pack has no model {name!r}")


def credits(models: Iterable[FurnitureModel]) -> list[str]:
    """One line for each creator whose licence asks for attribution, sorted."""
    by_creator: dict[tuple[str, str], list[str]] = {}
    for model in models:
        if "CC0" not in model.license:
            by_creator.setdefault((model.creator, model.license), []).append(model.title)
    return [f"{who} ({terms}): {', '.join(sorted(set(titles)))}" for (who, terms), titles in sorted(by_creator.items())]
