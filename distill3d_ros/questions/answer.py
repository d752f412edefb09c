"""An answer to a question about a scene."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the student, or the geometry, answers."""

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
