"""A quantity of the camera's mount from tf, kept while tf is away if the mount was seen to be rigid."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True)
class RigidMount(Generic[Value]):
    """The last value, as long as it has hardly changed ever since it was first known."""

    distance: Callable[[Value, Value], float]
    tolerance: float
    """Values this near to the first one are of a rigid mount."""
    grace_s: float = 5.0
    """How long the last value is kept where a parameter has another one."""
    _first: Value | None = None
    _last: Value | None = None
    _rigid: bool = True
    _seen_at: float = field(default=0.0)

    def seen(self, value: Value) -> None:
        """tf has told it."""
        if self._first is None:
            self._first = value
        self._rigid = self._rigid and self.distance(value, self._first) <= self.tolerance
        self._last, self._seen_at = value, time.monotonic()

    def kept(self, given: Value | None) -> Value | None:
        """What stands in for tf: the mount's last value, or what a parameter gives."""
        kept = self._last if self._rigid else None
        if kept is None or (given is not None and time.monotonic() - self._seen_at > self.grace_s):
            return given
        return kept
