"""Events of a memory: something new, moved, gone, back, or two entries that were one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from distill3d_ros.scene.frame import FloatArray

EventKind = Literal["new", "moved", "gone", "back", "merged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A change that was decided at ``stamp_ns``."""

    number: int
    """Counts up in a map."""
    kind: EventKind
    thing_id: int
    label: str
    stamp_ns: int
    place: FloatArray
    """(3,) in the map, metres: where it is, or stood."""
    earlier_place: FloatArray | None = None
    """Of a thing that moved."""
    other_id: int | None = None
    """The id that is no longer used, of two entries that were one."""

    def to_row(self) -> dict[str, Any]:
        """JSON types. ``from_row`` reads it back."""
        row: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Event:
        earlier = row["earlier_place"]
        place, before = np.array(row["place"], float), None if earlier is None else np.array(earlier, float)
        return cls(**(row | {"place": place, "earlier_place": before}))
