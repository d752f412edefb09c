"""The table of names of NYU Depth V2 and NYU40 (``names.json``): which of our classes each stands for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.labels import LABELS

TABLE = Path(__file__).with_name("names.json")
NONE, ANYTHING = "", None
"""What a name stands for that is of no class, and one that may be anything."""
_FLOORS: Final = frozenset(["floor", "floor mat", "rug"])


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTable:
    """What each label of a file means."""

    meanings: tuple[str | None, ...]
    """By label, from 0 (nobody said what it is): a class, ``NONE`` or ``ANYTHING``."""
    floors: tuple[int, ...]
    """Labels of the floor and of what lies flat on it."""
    classes: frozenset[str]
    """Classes that at least one of the file's names stands for."""
    covers: dict[str, tuple[str, ...]]
    """Class -> finer classes that its things may be, since the file has no name for these."""
    unknown: tuple[str, ...]
    """Names that the table does not have; they may be anything."""

    def lookup(self) -> NDArray[np.int64]:
        """Label -> number of a class in the order of ``LABELS`` from 1, 0 for none, -1 for anything."""
        numbers = {label: i for i, label in enumerate(LABELS, 1)} | {NONE: 0}
        return np.array([-1 if meaning is None else numbers[meaning] for meaning in self.meanings])


def name_table(names: Sequence[str]) -> NameTable:
    """The meaning of a file's names, label n being ``names[n - 1]``."""
    data = json.loads(TABLE.read_text())
    meaning_of: dict[str, str | None] = {name: label for label, given in data["classes"].items() for name in given}
    meaning_of |= dict.fromkeys(data["none"], NONE) | dict.fromkeys(data["anything"], ANYTHING)
    plain = [" ".join(name.lower().replace("_", " ").split()) for name in names]
    meanings = [meaning_of.get(name, ANYTHING) for name in plain]
    classes = frozenset(meaning for meaning in meanings if meaning)
    covers = {
        label: tuple(finer for finer in given if finer not in classes)
        for label, given in data["covers"].items()
        if label in classes
    }
    return NameTable(
        meanings=(ANYTHING, *meanings),
        floors=tuple(i for i, name in enumerate(plain, 1) if name in _FLOORS),
        classes=classes,
        covers={label: finer for label, finer in covers.items() if finer},
        unknown=tuple(name for name, words in zip(names, plain, strict=True) if words not in meaning_of),
    )


def table_sha256() -> str:
    """Names the table in recipes."""
    return sha256(TABLE.read_bytes()).hexdigest()[:16]
