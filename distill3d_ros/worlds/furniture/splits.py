"""Split of the models into training and test."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable

from distill3d_ros.worlds.furniture.catalogue import Entry
from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel, Split

TEST_SHARE = 0.22
LEAST_FOR_TEST = 2
"""Models of a label that are kept for testing however few there are: a result on one model is not significant."""
_SETS = (
    "kitchen",
    "winchester",
    "cafe_set",
    "mid-century",
    "wooden_office",
    "window_2x",
    "window_4x",
    "exterior-door",
    "double_door",
    "medicoscopia_bottle",
    "little_lamp",
    "glass_table",
    "kids_",
    "beige_sofa",
    "frame",
    "window-08",
)


def family_of(entry: Entry) -> str:
    """Colour variants and sets of one creator share a family: library, creator and the name without its number."""
    library, _, name = entry.id.partition("#")
    for common in _SETS:
        if name.startswith(common):
            return f"{library}#{common}"
    if library == "Scopia" or library == "Kator Legaz":
        return entry.id  # one creator for all, and numbers are different designs
    return f"{library}#{entry.creator}#{re.sub(r'[0-9_]+$', '', name).lower()}"


def assign_splits(models: Iterable[FurnitureModel]) -> dict[tuple[str, str], Split]:
    """(family, label) -> split: of each label the families with the smallest hashes, about TEST_SHARE of its models.

    Labels with fewer than three models have no test model, the others at least ``LEAST_FOR_TEST``. A family may be on
    different sides in different labels: a chair does not resemble the table of its set.
    """
    by_label: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for model in models:
        by_label[model.label][model.family] += 1
    out: dict[tuple[str, str], Split] = {}
    for label, families in by_label.items():
        total, taken = sum(families.values()), 0
        wanted = max(LEAST_FOR_TEST, round(TEST_SHARE * total)) if total >= 3 else 0
        for family in sorted(families, key=lambda name: hashlib.sha256(f"{label}/{name}".encode()).hexdigest()):
            fits = taken < wanted and taken + families[family] <= wanted + 1 and families[family] < total
            out[family, label] = "test" if fits else "train"
            taken += families[family] if fits else 0
    return out
