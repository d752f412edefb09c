"""A teacher that repeats the question as its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.sample import Sample


class Parrot:
    """A teacher of words alone, which repeats the question and counts how often it was asked."""

    name = "parrot-0"
    tokenizer_sha256 = None
    answers_questions = True

    def __init__(self, stop_after: int | None = None, error: BaseException | None = None) -> None:
        self.stop_after, self.error, self.samples = stop_after, error, 0

    def answer(self, sample: Sample, questions: Sequence[str]) -> list[TeacherAnswer]:
        self.samples += 1
        if self.error is not None and self.samples > (self.stop_after or 0):
            raise self.error
        return [TeacherAnswer(text=f"{sample.key}: {q}") for q in questions]

    def perceive(self, sample: Sample) -> TeacherPerception | None:
        return None

    def describe(self) -> dict[str, Any]:
        return {"kind": "parrot"}
