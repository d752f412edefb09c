"""Furniture by room type: a core, and extras up to a number of things."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from distill3d_ros.worlds.layout.builder import Builder
from distill3d_ros.worlds.layout.groups import GROUPS, ceiling_lamp, radiator, television
from distill3d_ros.worlds.layout.small_things import cover, leaning, loose, touch_on_floor

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
_EXTRAS = {
    "bag": 2.0, "trash can": 2.0, "box": 2.4, "vase": 1.0, "radiator": 1.0, "plant": 0.8, "stool": 1.6, "lamp": 0.7,
    "chair": 0.5, "armchair": 1.2, "television": 0.8, "washing machine": 1.0, "fridge": 1.2, "": 2.0, "bottle": 0.5,
    "table": 0.6, "bathtub": 0.5, "toilet": 0.6, "oven": 1.0, "sink": 0.3, "computer": 0.5, "bed": 0.5, "wardrobe": 1.6,
    "bowl": 1.6, "cup": 0.8, "shelf": 1.0, "sofas": 0.5, "desk": 0.4,
}  # fmt: skip
"""Weights of the labels added beyond a room's core, so that no label is rare; "" is clutter."""

BELONGS: dict[str, frozenset[str]] = {
    label: frozenset(types.split(", "))
    for label, types in {
        "bed": "bedroom",
        "wardrobe": "bedroom, office",
        "desk": "office, bedroom, living room",
        "computer": "office, bedroom, living room",
        "sofas": "living room, office",
        "armchair": "living room, bedroom, office",
        "television": "living room, bedroom",
        "table": "living room, kitchen, office",
        "chair": "living room, kitchen, office, bedroom",
        "shelf": "living room, bedroom, office",
        "fridge": "kitchen",
        "oven": "kitchen",
        "sink": "kitchen, bathroom",
        "washing machine": "kitchen, bathroom",
        "bathtub": "bathroom",
        "toilet": "bathroom",
    }.items()
}
"""The types of rooms that a label fits; labels not listed fit all."""
ODD_SHARE = 0.15
"""Share of the extras of a varied room that need not fit its type: a student must not rely on the type either."""


def room_sides(room_type: str) -> tuple[float, float]:
    """Shortest and longest side of the floor of such a room, metres."""
    return _SIDES.get(room_type, (3.0, 5.4))


def furnish(b: Builder, room_type: str, wanted: tuple[int, int]) -> None:
    """Fill an empty room; ``wanted``: fewest and most (exclusive) named things that it is filled up to."""
    rng = b.rng
    for name, chance in _CORE[room_type]:
        if rng.uniform() < chance:
            _insist(b, GROUPS[name])
    _extras(b, _setting(b, room_type), int(rng.integers(*wanted)))
    if rng.uniform() < 0.3:
        ceiling_lamp(b)


def _setting(b: Builder, room_type: str) -> str | None:
    """The type that most extras must fit; None where anything goes. A table top lies in a room of another type."""
    if not b.varied:
        return None
    return str(b.rng.choice(("living room", "kitchen", "office"))) if room_type == "tabletop" else room_type


def _insist(b: Builder, group: Callable[[Builder], None], tries: int = 4) -> None:
    """Try a group again, with other models and at other places, until something of it finds room."""
    before = len(b.objects)
    for _ in range(tries):
        group(b)
        if len(b.objects) > before:
            return


def _extras(b: Builder, setting: str | None, wanted: int) -> None:
    """Leaning and loose things, and labels that the core of rooms seldom has, until ``wanted`` things have names."""
    rng = b.rng
    for chance in (0.5, 0.2):
        if rng.uniform() < chance:
            leaning(b)
    labels = list(_EXTRAS)
    fits = np.array([_fitting(label, setting) for label in labels]) if setting is not None else np.ones(len(labels))
    for _ in range(24):
        if b.named >= wanted:
            return
        weights = np.array([_EXTRAS[label] / (1.0 + 2.5 * b.count(label)) for label in labels])
        if setting is not None and rng.uniform() >= ODD_SHARE:
            weights *= fits
        _extra(b, str(rng.choice(labels, p=weights / weights.sum())))


def _fitting(label: str, setting: str) -> float:
    """0 where a thing does not belong; elsewhere more, the fewer types of rooms have it, or it would be rare."""
    types = BELONGS.get(label)
    if types is None:
        return 1.0
    return float(np.sqrt((len(ROOM_TYPES) - 1) / len(types))) if setting in types else 0.0


def _extra(b: Builder, label: str) -> None:
    rng = b.rng
    surfaces = [o for o in b.objects if o.label in ("table", "desk", "cabinet", "shelf")]
    if label == "radiator":
        radiator(b, int(rng.integers(4)))
    elif label == "television":
        television(b, int(rng.integers(4)))
    elif label in GROUPS:
        GROUPS[label](b)
    elif surfaces and rng.uniform() < 0.5:
        cover(b, surfaces[int(rng.integers(len(surfaces)))], 1, (label,))
    elif label and rng.uniform() < 0.4:
        touch_on_floor(b, label)
    else:
        loose(b, label)
