"""Models made here: some for labels of which the libraries have few, and many more for rooms of great variety.

Training rooms only: tests use real designs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from distill3d_ros.worlds.furniture import facing
from distill3d_ros.worlds.furniture import procedural_fixtures as made_fixtures
from distill3d_ros.worlds.furniture import procedural_large as made_large
from distill3d_ros.worlds.furniture import procedural_seats as made_seats
from distill3d_ros.worlds.furniture import procedural_small as made_small
from distill3d_ros.worlds.furniture.furniture_model import TEXTURE_SIZE, FurnitureModel
from distill3d_ros.worlds.furniture.palettes import weaker
from distill3d_ros.worlds.furniture.shapes import Shape

LIBRARY = "made"
DOOR_LEAF = "door leaf"
"""Stands for the label of what is a door without its frame, for doors that stand open."""
Maker = Callable[[np.random.Generator], tuple[Shape, str]]
_MAKERS: dict[str, tuple[Maker, int]] = {
    "box": (made_small.box, 16),
    "vase": (made_small.vase, 12),
    "bottle": (made_small.bottle, 12),
    "cup": (made_small.cup, 12),
    "bowl": (made_small.bowl, 10),
    "bag": (made_small.bag, 20),
    "trash can": (made_small.trash_can, 14),
    "television": (made_small.television, 12),
    "computer": (made_small.computer, 14),
    "lamp": (made_small.lamp, 12),
    "plant": (made_small.plant, 8),
    "fridge": (made_large.fridge, 14),
    "oven": (made_large.oven, 14),
    "washing machine": (made_large.washing_machine, 10),
    "radiator": (made_large.radiator, 12),
    "shelf": (made_large.shelf, 14),
    "wardrobe": (made_large.wardrobe, 12),
    "cabinet": (made_large.cabinet, 12),
    "stool": (made_large.stool, 12),
    "toilet": (made_large.toilet, 8),
    "bathtub": (made_large.bathtub, 8),
    "bed": (made_large.bed, 8),
    "chair": (made_seats.chair, 0),
    "armchair": (made_seats.armchair, 0),
    "sofa": (made_seats.sofa, 0),
    "table": (made_seats.table, 0),
    "desk": (made_seats.desk, 0),
    "door": (made_fixtures.door, 0),
    "window": (made_fixtures.window, 0),
    "sink": (made_fixtures.sink, 0),
    DOOR_LEAF: (made_fixtures.door_leaf, 0),
}
"""Label -> what draws one of its models, and how many of them are in every pack. A door's leaf is a door, too."""

MORE_DESIGNS = 160
"""Models that are drawn of each label for rooms of great variety; 1.8 s for all labels."""


def is_made(model: FurnitureModel) -> bool:
    """Whether a model was made here, not taken from a library."""
    return model.name.startswith(f"{LIBRARY}#")


def made_models() -> list[FurnitureModel]:
    """All of them; always the same."""
    return [_model(maker, label, k) for label, (maker, count) in _MAKERS.items() for k in range(count)]


@cache
def more_designs(label: str) -> tuple[FurnitureModel, ...]:
    """Further models of a label, none of which ``made_models`` has; always the same. None for labels not made here.

    Most of their strong colours are made weaker: few homes have them.
    """
    if label not in _MAKERS:
        return ()
    maker, count = _MAKERS[label]
    designs = [_model(maker, label, k) for k in range(count, count + MORE_DESIGNS)]
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
