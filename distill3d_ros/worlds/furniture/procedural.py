"""Procedural furniture models: some for labels with few library models, and many more for varied training rooms.

Training rooms only: test rooms use the libraries' designs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from distill3d_ros.worlds.furniture import (
    facing,
    procedural_fixtures,
    procedural_large,
    procedural_seats,
    procedural_small,
)
from distill3d_ros.worlds.furniture.furniture_model import TEXTURE_SIZE, FurnitureModel
from distill3d_ros.worlds.furniture.palettes import weaker
from distill3d_ros.worlds.furniture.shapes import Shape

LIBRARY = "made"
"""Library part of the models' names, which scenes and data sets store."""
DOOR_LEAF = "door leaf"
"""Key of the leaves of open doors, without frame; their label is door."""
Maker = Callable[[np.random.Generator], tuple[Shape, str]]
_MAKERS: dict[str, tuple[Maker, int]] = {
    "box": (procedural_small.box, 16),
    "vase": (procedural_small.vase, 12),
    "bottle": (procedural_small.bottle, 12),
    "cup": (procedural_small.cup, 12),
    "bowl": (procedural_small.bowl, 10),
    "bag": (procedural_small.bag, 20),
    "trash can": (procedural_small.trash_can, 14),
    "television": (procedural_small.television, 12),
    "computer": (procedural_small.computer, 14),
    "lamp": (procedural_small.lamp, 12),
    "plant": (procedural_small.plant, 8),
    "fridge": (procedural_large.fridge, 14),
    "oven": (procedural_large.oven, 14),
    "washing machine": (procedural_large.washing_machine, 10),
    "radiator": (procedural_large.radiator, 12),
    "shelf": (procedural_large.shelf, 14),
    "wardrobe": (procedural_large.wardrobe, 12),
    "cabinet": (procedural_large.cabinet, 12),
    "stool": (procedural_large.stool, 12),
    "toilet": (procedural_large.toilet, 8),
    "bathtub": (procedural_large.bathtub, 8),
    "bed": (procedural_large.bed, 8),
    "chair": (procedural_seats.chair, 0),
    "armchair": (procedural_seats.armchair, 0),
    "sofa": (procedural_seats.sofa, 0),
    "table": (procedural_seats.table, 0),
    "desk": (procedural_seats.desk, 0),
    "door": (procedural_fixtures.door, 0),
    "window": (procedural_fixtures.window, 0),
    "sink": (procedural_fixtures.sink, 0),
    DOOR_LEAF: (procedural_fixtures.door_leaf, 0),
}
"""Label -> function that builds one of its models, and the number of them in every pack."""

EXTRA_MODELS = 160
"""Models of each label for varied rooms; 1.8 s for all labels."""


def is_procedural(model: FurnitureModel) -> bool:
    """Whether a model is procedural, not from a library."""
    return model.name.startswith(f"{LIBRARY}#")


def procedural_models() -> list[FurnitureModel]:
    """The models of every pack; always the same."""
    return [_model(maker, label, k) for label, (maker, count) in _MAKERS.items() for k in range(count)]


@cache
def extra_models(label: str) -> tuple[FurnitureModel, ...]:
    """Further models of a label, beyond ``procedural_models``; always the same. Empty for labels without any.

    Most of their saturated colours are desaturated: few homes have them.
    """
    if label not in _MAKERS:
        return ()
    maker, count = _MAKERS[label]
    designs = [_model(maker, label, k) for k in range(count, count + EXTRA_MODELS)]
    rng = np.random.default_rng(list(label.encode()))
    return tuple(replace(design, face_colors=weaker(design.face_colors, rng)) for design in designs)


def _model(maker: Maker, label: str, number: int) -> FurnitureModel:
    name = f"{LIBRARY}#{label.replace(' ', '_')}_{number}"
    shape, kind = maker(np.random.default_rng([number, *label.encode()]))
    label = "door" if label == DOOR_LEAF else label
    vertices, faces, colors = shape.arrays()
    size = np.ptp(vertices.astype(float), axis=0)
    return FurnitureModel(
        name=name,
        label=label,
        vertices=vertices,
        faces=faces,
        face_colors=colors,
        face_layers=np.full(len(faces), -1, np.int16),
        face_uvs=np.zeros((len(faces), 3, 2), np.float32),
        textures=np.zeros((0, TEXTURE_SIZE, TEXTURE_SIZE, 3), np.uint8),
        size=size,
        has_front=kind != "leaf" and facing.has_front(name, label, kind),  # a door's leaf is alike from both sides
        drop_top=None,
        mount=facing.mount_of(label, kind, float(size[2])),
        elevation=0.0,
        split="train",
        family=name,
        kind=kind,
        creator="distill3d_ros",
        license="CC0 1.0",
        title=label,
    )
