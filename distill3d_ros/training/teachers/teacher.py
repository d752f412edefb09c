"""The interface of a teacher: answers and, where it has heads for them, depth and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.sample import Sample


@runtime_checkable
class Teacher(Protocol):
    """A model that knows more than the student: a large VLM, or one that is given true depth and poses.

    It is given samples with their truth; which parts of the truth it uses is described by ``describe()``.
    """

    @property
    def name(self) -> str:
        """Identifies the teacher and its weights, such as ``privileged-1a2b3c4d``."""

    @property
    def tokenizer_sha256(self) -> str | None:
        """See ``student.language.text.tokenizer_sha256``; None where its answers are text alone."""

    @property
    def answers_questions(self) -> bool:
        """False where it perceives alone; then it is asked nothing."""

    def answer(self, sample: Sample, questions: Sequence[str]) -> list[TeacherAnswer]:
        """Its answers to questions about one sample."""

    def perceive(self, sample: Sample) -> TeacherPerception | None:
        """Depth and boxes, or None if it has no such heads."""

    def describe(self) -> dict[str, Any]:
        """Weights, precision and prompt, for the report; with ``vocabulary``, the number of its tokens. JSON types."""
