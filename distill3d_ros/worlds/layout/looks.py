"""Variation of looks: which model, and the same model in other proportions and colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel
from distill3d_ros.worlds.furniture.pack import FurniturePack
from distill3d_ros.worlds.furniture.palettes import LOUD_THINGS, thing_color
from distill3d_ros.worlds.furniture.procedural import is_made
from distill3d_ros.worlds.furniture.variants import PER_MODEL
from distill3d_ros.worlds.materials import hsv

FloatArray = npt.NDArray[np.float64]
_ONE_COLOUR = frozenset({"chair", "armchair", "stool", "sofa", "table", "desk", "cabinet", "wardrobe", "shelf", "vase"})
_ONE_COLOUR |= {"bowl", "cup", "bag", "trash can", "box", "radiator", "bathtub", "bottle"}
STRETCH = 0.12
"""Each axis of an instance is scaled by up to this share, up or down."""
VARIANT_SHARE = 0.75
"""How many of the libraries' models in a varied room are variants of them."""


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

    In a varied room those made from solids, of which there are many, come as often as those of the libraries together,
    and most of the latter as a variant.
    """
    if not varied:
        return models[int(rng.integers(len(models)))]
    made = [m for m in models if is_made(m)]
    drawn = [m for m in models if not is_made(m)]
    among = (made if rng.uniform() < 0.5 else drawn) or made or drawn
    model = among[int(rng.integers(len(among)))]
    if not is_made(model) and rng.uniform() < VARIANT_SHARE:
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
