"""Random choice of a model, and of its proportions and colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel
from distill3d_ros.worlds.furniture.pack import FurniturePack
from distill3d_ros.worlds.furniture.palettes import LOUD_THINGS, thing_color
from distill3d_ros.worlds.furniture.procedural import is_procedural
from distill3d_ros.worlds.furniture.variants import PER_MODEL
from distill3d_ros.worlds.materials import hsv

FloatArray = npt.NDArray[np.float64]
_ONE_COLOUR = frozenset({"chair", "armchair", "stool", "sofa", "table", "desk", "cabinet", "wardrobe", "shelf", "vase"})
_ONE_COLOUR |= {"bowl", "cup", "bag", "trash can", "box", "radiator", "bathtub", "bottle"}
STRETCH = 0.12
"""Each axis of an instance is scaled by up to this share, up or down."""
VARIANT_SHARE = 0.75
"""Share of the library models in a varied room that are replaced by variants."""


@dataclass(slots=True, eq=False, kw_only=True)
class Instance:
    """A model with its own proportions and colours, not placed yet."""

    model: FurnitureModel
    scale: FloatArray
    """(3,)"""
    tint: FloatArray
    """(3,)"""
    flat_color: FloatArray | None

    @property
    def size(self) -> FloatArray:
        return self.model.size * self.scale


def choose(
    models: Sequence[FurnitureModel], pack: FurniturePack, rng: np.random.Generator, *, varied: bool
) -> FurnitureModel:
    """One of some models.

    In a varied room half are procedural, however many of these there are, and half from the libraries, most of them
    as a variant.
    """
    if not varied:
        return models[int(rng.integers(len(models)))]
    procedural = [m for m in models if is_procedural(m)]
    from_library = [m for m in models if not is_procedural(m)]
    among = (procedural if rng.uniform() < 0.5 else from_library) or procedural or from_library
    model = among[int(rng.integers(len(among)))]
    if not is_procedural(model) and rng.uniform() < VARIANT_SHARE:
        return pack.variant(model, int(rng.integers(PER_MODEL)))
    return model


def vary(model: FurnitureModel, rng: np.random.Generator, stretch: float = STRETCH, *, quiet: bool = False) -> Instance:
    """Draw proportions and colours; ``quiet``: most colours as ``palettes`` has them, not from a wide range."""
    scale = rng.uniform(1 - stretch, 1 + stretch, 3)
    if model.size[0] < 0.9 * model.size[2] and abs(model.size[0] - model.size[1]) < 0.02 * model.size[0]:
        scale[1] = scale[0]  # slender and round: keep it round
    flat_color = None
    if rng.uniform() < 0.15 and model.label in _ONE_COLOUR:
        flat_color = (
            thing_color(model.label, rng) if quiet else hsv(rng.uniform(), rng.beta(1.2, 2.0), rng.uniform(0.12, 0.95))
        )
    tint = np.ones(3)
    if flat_color is None and rng.uniform() < 0.75:
        strongest = 0.1 if quiet and rng.uniform() >= LOUD_THINGS else 0.45
        hue = hsv(rng.uniform(), 1.0, 1.0)
        tint = (1 + rng.uniform(0, strongest) * (hue - hue.mean())) * rng.uniform(0.65, 1.3)
    return Instance(model=model, scale=scale, tint=tint, flat_color=flat_color)
