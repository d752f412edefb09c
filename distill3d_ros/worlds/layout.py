"""Furnish a room at random: the same seed and the same pack give the same room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from distill3d_ros.worlds.furniture import FurniturePack, Split
from distill3d_ros.worlds.layout_builder import Builder
from distill3d_ros.worlds.layout_groups import GROUPS, ceiling_lamp, openings, radiator, television
from distill3d_ros.worlds.layout_small import cover, leaning, loose, touch_on_floor
from distill3d_ros.worlds.materials import room_lights, room_surfaces
from distill3d_ros.worlds.room import Room

_CORE: dict[str, tuple[tuple[str, float], ...]] = {
    "living room": (("sofas", 1.0), ("dining", 0.5), ("shelf", 0.6), ("cabinet", 0.3)),
    "bedroom": (("bed", 1.0), ("wardrobe", 0.7), ("desk", 0.4), ("cabinet", 0.3), ("shelf", 0.3)),
    "kitchen": (("kitchen_row", 1.0), ("dining", 0.8), ("shelf", 0.2)),
    "office": (("desk", 1.0), ("desk", 0.3), ("shelf", 0.8), ("cabinet", 0.5), ("sofas", 0.2), ("dining", 0.2)),
    "bathroom": (("bathroom_set", 1.0), ("cabinet", 0.3), ("shelf", 0.2)),
    "tabletop": (("tabletop", 1.0),),
}
ROOM_TYPES: tuple[str, ...] = tuple(_CORE)
"""The kinds of rooms; "tabletop" is a table or desk that is densely covered."""

_SIDES = {"bathroom": (2.6, 4.0), "kitchen": (3.0, 5.0), "tabletop": (3.0, 5.0)}
_LABELLED = (11, 19)
"""How many named things a room is filled up to: low, high (exclusive)."""
_EXTRAS = {
    "bag": 2.0, "trash can": 2.0, "box": 2.4, "vase": 1.0, "radiator": 1.0, "plant": 0.8, "stool": 1.6, "lamp": 0.7,
    "chair": 0.5, "armchair": 1.2, "television": 0.8, "washing machine": 1.0, "fridge": 1.2, "": 2.0, "bottle": 0.5,
    "table": 0.6, "bathtub": 0.5, "toilet": 0.6, "oven": 1.0, "sink": 0.3, "computer": 0.5, "bed": 0.5, "wardrobe": 1.6,
    "bowl": 1.6, "cup": 0.8, "shelf": 1.0, "sofas": 0.5, "desk": 0.4,
}  # fmt: skip
"""What is added beyond a room's core, so that no label is rare; "" is clutter."""


def make_room(
    pack: FurniturePack, *, seed: int, room_type: str | None = None, split: Split = "train", varied: bool = False
) -> Room:
    """Furnish a room.

    Args:
        pack: the furniture.
        seed: everything random follows from it.
        room_type: one of ``ROOM_TYPES``; None draws one.
        split: whose models are used.
        varied: also use designs that no library has, made from solids or by changing proportions and materials; for
            training rooms.
    """
    if room_type is not None and room_type not in _CORE:
        raise ValueError(f"room_type must be one of {ROOM_TYPES} or None. Got {room_type!r}")
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test'. Got {split!r}")
    if varied and split == "test":
        raise ValueError("varied must be False where split is 'test': tests use the designs as their makers drew them")
    rng = np.random.default_rng(seed)
    drawn = str(rng.choice(ROOM_TYPES))
    kind = room_type or drawn
    low, high = _SIDES.get(kind, (3.0, 5.4))
    size = np.array([rng.uniform(low, high), rng.uniform(low, high), rng.uniform(2.4, 2.9)])
    builder = Builder(pack=pack, split=split, size=size, rng=rng, varied=varied)
    openings(builder)
    for name, chance in _CORE[kind]:
        if rng.uniform() < chance:
            _insist(builder, GROUPS[name])
    _extras(builder, int(rng.integers(*_LABELLED)))
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


def _insist(builder: Builder, group: Callable[[Builder], None], tries: int = 4) -> None:
    """Try a group again, with other models and at other places, until something of it finds room."""
    before = len(builder.objects)
    for _ in range(tries):
        group(builder)
        if len(builder.objects) > before:
            return


def _extras(builder: Builder, wanted: int) -> None:
    """Leaning and loose things, and labels that the core of rooms seldom has, until ``wanted`` things have names."""
    rng = builder.rng
    for chance in (0.5, 0.2):
        if rng.uniform() < chance:
            leaning(builder)
    labels = list(_EXTRAS)
    for _ in range(24):
        if builder.named >= wanted:
            return
        weights = np.array([_EXTRAS[label] / (1.0 + 2.5 * builder.count(label)) for label in labels])
        _extra(builder, str(rng.choice(labels, p=weights / weights.sum())))


def _extra(builder: Builder, label: str) -> None:
    rng = builder.rng
    surfaces = [o for o in builder.objects if o.label in ("table", "desk", "cabinet", "shelf")]
    if label == "radiator":
        radiator(builder, int(rng.integers(4)))
    elif label == "television":
        television(builder, int(rng.integers(4)))
    elif label in GROUPS:
        GROUPS[label](builder)
    elif surfaces and rng.uniform() < 0.5:
        cover(builder, surfaces[int(rng.integers(len(surfaces)))], 1, (label,))
    elif label and rng.uniform() < 0.4:
        touch_on_floor(builder, label)
    else:
        loose(builder, label)
