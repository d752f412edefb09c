"""Where a large model's knowledge enters the training.

A teacher answers samples once; its answers are cached and the training never loads it. Without a teacher the student
learns from geometry alone, and every loss that needs a teacher is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.scene.objects import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherAnswer:
    """What a teacher says about one question; what it does not offer is None."""

    text: str
    top_tokens: FloatArray | None = None
    """(L, K) ids of its K most probable tokens at each of the L answer tokens, in its own vocabulary."""
    top_logits: FloatArray | None = None
    """(L, K) their logits."""
    hidden: FloatArray | None = None
    """(D,) its last hidden state before the answer."""


@runtime_checkable
class Teacher(Protocol):
    """A model that knows more than the student: a large VLM, or one that is given true depth and poses."""

    @property
    def name(self) -> str:
        """Identifies the teacher and its weights; part of the key of its cached answers."""

    def answer(self, frames: Sequence[Frame], questions: Sequence[str]) -> list[TeacherAnswer]:
        """Answers questions about one place seen in one or several frames."""

    def perceive(self, frames: Sequence[Frame]) -> Scene | None:
        """Depth and boxes, or None if it has no such heads."""

    def describe(self) -> dict[str, Any]:
        """Weights, precision and prompt, for the report."""
