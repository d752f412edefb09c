"""Models made here, for labels of which the libraries have few. Training rooms only: tests use real designs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from distill3d_ros.worlds import facing, made_large, made_small
from distill3d_ros.worlds.furniture import TEXTURE_SIZE, FurnitureModel
from distill3d_ros.worlds.shapes import Shape

LIBRARY = "made"
_MAKERS: dict[str, tuple[Callable[[np.random.Generator], tuple[Shape, str]], int]] = {
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
}
"""Label -> what draws one of its models, and how many are drawn."""


def made_models() -> list[FurnitureModel]:
    """All of them; always the same."""
    models = []
    for label, (maker, count) in _MAKERS.items():
        for k in range(count):
            name = f"{LIBRARY}#{label.replace(' ', '_')}_{k}"
            shape, kind = maker(np.random.default_rng([k, *label.encode()]))
            models.append(_model(shape, name, label, kind))
    return models


def _model(shape: Shape, name: str, label: str, kind: str) -> FurnitureModel:
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
        has_front=facing.has_front(name, label, kind),
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
