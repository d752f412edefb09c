"""The text of a student's answer."""

from __future__ import annotations

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.answer_text import NOT_UNDERSTOOD, answer_value


def parse_answer(text: str) -> Answer:
    """A language model's words as an answer that can be marked."""
    return Answer(text=text, value=answer_value(text), understood=text != NOT_UNDERSTOOD, source="language")
