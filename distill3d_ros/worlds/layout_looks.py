"""Variation of looks: which model, and the same model in other proportions and colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.furniture import FurnitureModel, FurniturePack
from distill3d_ros.worlds.made import is_made
from distill3d_ros.worlds.materials import hsv
from distill3d_ros.worlds.room import PlacedObject
from distill3d_ros.worlds.variants import PER_MODEL

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


CALM_SHARE = 0.65
"""How many of the training rooms have colours about as weak as those of real rooms; the others have any."""
_CALM = (0.15, 0.55)
"""Share of their saturation that the colours of a calm room keep."""


def drawn_saturation(rng: np.random.Generator) -> float:
    """How much of their saturation the colours of a training room keep, 0..1."""
    return float(rng.uniform(*_CALM)) if rng.uniform() < CALM_SHARE else 1.0


def calmed(objects: Sequence[PlacedObject], saturation: float) -> None:
    """Weakens what was drawn over the own colours of some things; their own colours stay."""
    if saturation == 1.0:
        return
    for placed in objects:
        placed.tint = placed.tint.mean() + saturation * (placed.tint - placed.tint.mean())
        if placed.flat_color is not None:
            placed.flat_color = placed.flat_color.mean() + saturation * (placed.flat_color - placed.flat_color.mean())


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


def vary(model: FurnitureModel, rng: np.random.Generator, stretch: float = STRETCH) -> Instance:
    """Draw proportions and colours."""
    scale = rng.uniform(1 - stretch, 1 + stretch, 3)
    if model.size[0] < 0.9 * model.size[2] and abs(model.size[0] - model.size[1]) < 0.02 * model.size[0]:
        scale[1] = scale[0]  # slender and round: keep it round
    flat_color = None
    if rng.uniform() < 0.15 and model.label in _ONE_COLOUR:
        flat_color = hsv(rng.uniform(), rng.beta(1.2, 2.0), rng.uniform(0.12, 0.95))
    tint = np.ones(3)
    if flat_color is None and rng.uniform() < 0.75:
        hue = hsv(rng.uniform(), 1.0, 1.0)
        tint = (1 + rng.uniform(0, 0.45) * (hue - hue.mean())) * rng.uniform(0.65, 1.3)
    return Instance(model=model, scale=scale, tint=tint, flat_color=flat_color)
