"""Furnish a room at random: the same seed and the same pack give the same room."""

from __future__ import annotations

import numpy as np

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.worlds.furniture import FurniturePack, Split
from distill3d_ros.worlds.layout_builder import Builder
from distill3d_ros.worlds.layout_groups import GROUPS, ceiling_lamp, cover, leaning, loose, openings, radiator, television
from distill3d_ros.worlds.materials import room_lights, room_surfaces
from distill3d_ros.worlds.room import Room

_CORE: dict[str, tuple[tuple[str, float], ...]] = {
    "living room": (("sofas", 1.0), ("dining", 0.5), ("shelf", 0.6), ("cabinet", 0.3)),
    "bedroom": (("bed", 1.0), ("wardrobe", 0.7), ("desk", 0.4), ("cabinet", 0.3), ("shelf", 0.3)),
    "kitchen": (("kitchen_row", 1.0), ("dining", 0.8), ("shelf", 0.2)),
    "office": (("desk", 1.0), ("desk", 0.3), ("shelf", 0.8), ("cabinet", 0.5), ("sofas", 0.2), ("dining", 0.2)),
    "bathroom": (("bathroom_set", 1.0), ("cabinet", 0.3), ("shelf", 0.2)),
    "tabletop": (),
}
ROOM_TYPES: tuple[str, ...] = tuple(_CORE)
"""The kinds of rooms; "tabletop" is a table or desk that is densely covered."""

_SIDES = {"bathroom": (2.6, 4.0), "kitchen": (3.0, 5.0), "tabletop": (3.0, 5.0)}
_EXTRAS = {
    "bag": 2.0, "trash can": 2.0, "box": 1.6, "vase": 1.2, "radiator": 1.2, "plant": 1.0, "stool": 1.2, "lamp": 0.8,
    "chair": 0.5, "armchair": 0.6, "television": 0.8, "washing machine": 0.4, "fridge": 0.5, "": 2.0, "bottle": 0.4,
    "table": 0.5, "bathtub": 0.1, "toilet": 0.1, "oven": 0.3, "sink": 0.2, "computer": 0.4, "bed": 0.1, "wardrobe": 0.3,
}  # fmt: skip
"""What is added beyond a room's core, so that no label is rare; "" is clutter."""


def make_room(pack: FurniturePack, *, seed: int, room_type: str | None = None, split: Split = "train") -> Room:
    """Furnish a room.

    Args:
        pack: the furniture.
        seed: everything random follows from it.
        room_type: one of ``ROOM_TYPES``; None draws one.
        split: whose models are used.
    """
    if room_type is not None and room_type not in _CORE:
        raise ValueError(f"room_type must be one of {ROOM_TYPES} or None. Got {room_type!r}")
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test'. Got {split!r}")
    rng = np.random.default_rng(seed)
    drawn = str(rng.choice(ROOM_TYPES))
    kind = room_type or drawn
    low, high = _SIDES.get(kind, (3.2, 6.0))
    size = np.array([rng.uniform(low, high), rng.uniform(low, high), rng.uniform(2.4, 2.9)])
    builder = Builder(pack=pack, split=split, size=size, rng=rng)
    openings(builder)
    if kind == "tabletop":
        _tabletop(builder)
    for name, chance in _CORE[kind]:
        if rng.uniform() < chance:
            GROUPS[name](builder)
    _extras(builder, int(rng.integers(3, 8)))
    if rng.uniform() < 0.3:
        ceiling_lamp(builder)
    lights, ambient = room_lights(size, rng)
    return Room(
        type=kind,
        seed=seed,
        split=split,
        size=size,
        objects=builder.objects,
        surfaces=room_surfaces(kind, rng),
        lights=lights,
        ambient=ambient,
    )


def _tabletop(builder: Builder) -> None:
    """A table, desk or counter that is densely covered."""
    label = str(builder.rng.choice(["table", "desk", "cabinet"]))
    instance = builder.pick(label, ("", "kitchen", "coffee"), max_size=(2.2, 1.3, 1.0))
    if instance is None:
        return
    placed = builder.somewhere(instance, margin=0.8) or builder.against_wall(instance, int(builder.rng.integers(4)))
    if placed is not None:
        cover(builder, placed, int(builder.rng.integers(7, 14)))


def _extras(builder: Builder, count: int) -> None:
    """Loose things, leaning things, and labels that the core of rooms seldom has."""
    rng = builder.rng
    labels = [label for label in _EXTRAS if label == "" or label in LABELS]
    weights = np.array([_EXTRAS[label] / (1.0 + 2.0 * builder.count(label)) for label in labels])
    for label in rng.choice(labels, count, p=weights / weights.sum()):
        if label == "radiator":
            radiator(builder, int(rng.integers(4)))
        elif label == "television":
            television(builder, int(rng.integers(4)))
        elif rng.uniform() < 0.5 and (surfaces := [o for o in builder.objects if o.label in ("table", "desk", "cabinet", "shelf")]):
            cover(builder, surfaces[int(rng.integers(len(surfaces)))], 1, (str(label),))
        else:
            loose(builder, str(label))
    if rng.uniform() < 0.4:
        leaning(builder)
