"""An answer to a question about a scene."""

from __future__ import annotations

from dataclasses import dataclass

VALUE_TYPES: dict[type, str] = {bool: "yes_no", int: "count", float: "length", str: "label"}
"""Type of an answer's value -> its name in messages and JSON. bool comes before int, of which it is a subclass; a
length is a distance, a height or a width in metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the student or of the geometric rules."""

    text: str
    """As a person would say it."""
    value: bool | int | float | str | None
    """The same for a program: yes/no, a count, metres, a label; None when there is no answer."""
    understood: bool = True
    """False when the question was not understood; the text then says so."""
    confidence: float = 1.0
    """0..1"""
    object_ids: tuple[int, ...] = ()
    """The scene's objects that the answer rests on."""
    source: str = "geometry"
    """``geometry`` (the rules on boxes) or ``language`` (the student's language model)."""
    latency_ms: float = 0.0

    @property
    def value_type(self) -> str:
        """Type of ``value`` for programs without Python's types: one of VALUE_TYPES, empty without one."""
        return next((name for kind, name in VALUE_TYPES.items() if isinstance(self.value, kind)), "")

    @property
    def unit(self) -> str:
        """Of ``value``: "m" for a length, else empty."""
        return "m" if self.value_type == "length" else ""
