"""Parsing of a language model's text into an answer that can be graded."""

from __future__ import annotations

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.answer_text import NOT_UNDERSTOOD, answer_value


def parse_answer(text: str) -> Answer:
    """A language model's text as an answer, for ``is_correct``."""
    return Answer(text=text, value=answer_value(text), understood=text != NOT_UNDERSTOOD, source="language")
