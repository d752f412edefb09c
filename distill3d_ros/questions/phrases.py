"""The phrases of every kind of question, from the data file ``phrases.json``.

A new kind needs an entry under ``kinds`` there, beside its record in ``kinds.py``. Notation: ``{0}`` becomes "the
chair", ``{0a}`` "a chair", ``{0s}`` "chairs"; the number is the slot. ``(a|b)`` stands for either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """The templates of one kind: either ``comparative``, or the other fields."""

    training: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    """Kept from training: they test whether a model understands words, not phrases."""
    question: str = ""
    """The plainest question, without its mark: "is {0} taller than {1}"."""
    statement: str = ""
    """The same as a statement, for questions to which yes or no is the answer."""
    indirect: str = ""
    """The same after "do you know"; empty where the words are those of ``question``."""
    comparative: str = ""
    """Of a choice between two things, put into ways of asking that all such choices share: "(larger|bigger)"."""


def _read(entry: dict[str, Any]) -> Phrases:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    return Phrases(**values)


_DATA = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))

PHRASES: dict[str, Phrases] = {kind: _read(entry) for kind, entry in _DATA["kinds"].items()}
"""By kind."""
YES_NO_FRAMES: tuple[str, ...] = tuple(_DATA["frames"]["yes_no"])
"""Ways of asking any question to which yes or no is the answer, around ``<question>`` or ``<statement>``."""
OTHER_FRAMES: tuple[str, ...] = tuple(_DATA["frames"]["other"])
"""Ways of asking any other question, around ``<question>`` or ``<indirect>``."""
COMPARATIVE_FRAMES = _read(_DATA["frames"]["comparative"])
"""Ways of asking which of two things is more so, around ``<comparative>``."""

SUPERLATIVE_WORDS: dict[str, tuple[str, ...]] = {k: tuple(v) for k, v in _DATA["references"]["superlatives"].items()}
"""How a thing stands out among those of its name -> the words for it, before the name."""
RELATIVE_WORDS: dict[str, tuple[str, ...]] = {k: tuple(v) for k, v in _DATA["references"]["relatives"].items()}
"""How a thing stands to another -> the words for it, between the two names."""
REFERENCE_FIRST: tuple[str, ...] = tuple(_DATA["references"]["reference_first"])
"""Keys of ``RELATIVE_WORDS`` that rather refer to a thing than ask something about it, the likeliest first."""
COUNTED: tuple[str, ...] = tuple(_DATA["references"]["counted"])
"""Keys of ``RELATIVE_WORDS`` by which things are counted ("how many cups are on the table?")."""
