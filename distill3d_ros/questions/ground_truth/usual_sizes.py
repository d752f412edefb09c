"""Usual sizes of the things of each class, which bound what is hidden of them, and the names that are unclear.

It decides what may be asked about things of which only the visible surface is known, not any answer.
"""

from __future__ import annotations

from typing import Final

USUAL_SIZES: Final[dict[str, tuple[float, float, float]]] = {
    "chair": (0.7, 1.1, 0.7), "armchair": (1.0, 1.1, 1.0), "stool": (0.5, 0.8, 0.5), "sofa": (2.4, 1.0, 1.1),
    "table": (1.8, 0.9, 1.0), "desk": (1.8, 1.2, 0.9), "bed": (2.2, 1.2, 2.2), "cabinet": (2.4, 2.2, 0.7),
    "wardrobe": (2.4, 2.3, 0.7), "shelf": (2.0, 2.2, 0.5), "lamp": (0.5, 1.8, 0.5), "plant": (0.8, 1.6, 0.8),
    "television": (1.2, 0.9, 0.4), "computer": (0.6, 0.6, 0.5), "fridge": (1.0, 1.9, 0.9), "oven": (0.8, 1.0, 0.7),
    "washing machine": (0.7, 1.0, 0.7), "sink": (0.8, 0.9, 0.6), "toilet": (0.5, 0.9, 0.8),
    "bathtub": (1.8, 0.7, 0.9), "radiator": (1.6, 0.9, 0.2), "door": (1.1, 2.2, 0.3), "window": (2.5, 2.0, 0.3),
    "box": (0.7, 0.6, 0.6), "vase": (0.3, 0.5, 0.3), "bottle": (0.1, 0.4, 0.1), "cup": (0.12, 0.15, 0.12),
    "bowl": (0.3, 0.2, 0.3), "bag": (0.5, 0.6, 0.4), "trash can": (0.5, 0.8, 0.5), "person": (0.7, 1.9, 0.6),
    "picture": (1.2, 1.2, 0.1), "pillow": (0.6, 0.5, 0.4), "curtain": (2.5, 2.5, 0.3), "blinds": (2.5, 2.0, 0.2),
    "mirror": (1.5, 1.5, 0.1), "counter": (3.0, 1.0, 0.9), "books": (1.0, 0.5, 0.4), "towel": (0.7, 1.0, 0.2),
}  # fmt: skip
"""Label -> metres that a large one of the usual ones is long, high and deep."""
_LARGEST: Final = (2.4, 2.2, 1.1)

CONFUSED: Final[tuple[frozenset[str], ...]] = (
    frozenset({"chair", "armchair", "stool", "sofa"}),
    frozenset({"table", "desk", "counter"}),
    frozenset({"cabinet", "shelf", "wardrobe", "counter", "desk"}),
    frozenset({"window", "blinds", "curtain"}),
    frozenset({"picture", "mirror", "television"}),
    frozenset({"television", "computer"}),
    frozenset({"box", "bag", "trash can"}),
    frozenset({"curtain", "towel"}),
    frozenset({"bottle", "vase", "cup", "bowl"}),
    frozenset({"counter", "sink"}),
    frozenset({"wardrobe", "door"}),
)
"""Classes of which people call one by the name of another: where one is marked, nobody can say that another is not
there."""

NOT_COUNTED: Final = frozenset(
    {"books", "blinds", "curtain", "counter", "cabinet", "shelf", "towel", "window", "pillow", "wardrobe", "plant"}
)
"""Classes whose things stand side by side or consist of parts, so that masks do not tell how many there are."""

MEASURED: Final = frozenset(
    {
        *("chair", "toilet", "television", "fridge", "door", "picture", "mirror", "lamp", "person", "trash can"),
        *("oven", "washing machine", "bathtub", "box", "bag", "vase", "bottle", "plant"),
    }
)
"""Classes of which a mask shows the whole height. Of a desk it shows the top alone now and then."""


def usual_size(label: str) -> tuple[float, float, float]:
    """Metres that a large thing of the class is long, high and deep."""
    return USUAL_SIZES.get(label, _LARGEST)


def mistaken_for(label: str) -> frozenset[str]:
    """The classes whose things somebody might call by this name."""
    return frozenset().union(*(group for group in CONFUSED if label in group)) - {label}
