"""An answer to a question about a scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REASONS: Final = (
    "not_seen",
    "too_unsure",
    "ambiguous",
    "not_understood",
    "unknown_thing",
    "no_scale",
    "stale_frame",
    "no_frame",
    "busy",
    "inactive",
    "failed",
)
"""Why an answer has no value, for a program; the last five are those of a node that looked at no image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a thing is, as the camera or the robot's base sees it."""

    distance: float
    """Metres to the nearest surface."""
    bearing: float
    """Radians from straight ahead, positive to the left."""
    beside: str = ""
    """The label of what it stands on or beside; empty where that is not clear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Full extents of a thing in metres."""

    width: float
    """The longer horizontal side."""
    height: float
    depth: float
    """The shorter horizontal side."""


Value = bool | int | float | str | Place | Size
"""Yes or no, a count, metres, a label, a place or the three sizes."""

VALUE_TYPES: dict[type, str] = {
    bool: "yes_no",
    int: "count",
    float: "length",
    str: "label",
    Place: "place",
    Size: "size",
}
"""Type of an answer's value -> its name in messages and JSON. bool comes before int, of which it is a subclass; a
length is a distance, a height or a width in metres."""
SEVERAL = "several"
"""Type of value of an answer to several questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the student or of the geometric rules."""

    text: str
    """As a person would say it."""
    value: Value | None
    """The same for a program: yes/no, a count, metres, a label, a place, sizes; None when there is no answer."""
    understood: bool = True
    """False when the question was not understood; the text then says so."""
    reason: str = ""
    """Why there is no value, one of REASONS; empty where there is one, and of a description."""
    confidence: float = 1.0
    """0..1"""
    object_ids: tuple[int, ...] = ()
    """The scene's objects that the answer rests on; of a place or of sizes, the thing itself first."""
    source: str = "geometry"
    """``geometry`` (the rules on boxes) or ``language`` (the student's language model)."""
    latency_ms: float = 0.0
    question: str = ""
    """Of one of several questions in a text: its part of the text."""
    parts: tuple[Answer, ...] = ()
    """Of a text with several questions: the answer to each; the text here is all of theirs."""

    def __post_init__(self) -> None:
        if self.reason and self.reason not in REASONS:
            raise ValueError(f"reason must be empty or one of {', '.join(REASONS)}. Got {self.reason!r}")

    @property
    def value_type(self) -> str:
        """Type of ``value`` for programs without Python's types: one of VALUE_TYPES, empty without one."""
        if self.parts:
            return SEVERAL
        return next((name for kind, name in VALUE_TYPES.items() if isinstance(self.value, kind)), "")

    @property
    def unit(self) -> str:
        """Of ``value``: "m" for lengths, else empty."""
        return "m" if self.value_type in ("length", "place", "size") else ""
