"""Answers to texts that are not understood, or that ask about things that nobody taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS
from distill3d_ros.scene.labels import LABELS, find_label, plural_of

EXAMPLE = 'for example "Is the chair left of the table?" or "How far away is the lamp?"'
"""Questions that are understood, for an answer to one that was not."""
_SHOWN = 60


def unreadable_because(question: str) -> str | None:
    """The reason why a question cannot be read; None when it can."""
    if not question.strip():
        return f"I got an empty question. Ask {EXAMPLE}."
    if len(question) > MAX_QUESTION_CHARACTERS:
        return (
            f"The question has {len(question)} characters; I read at most {MAX_QUESTION_CHARACTERS}. "
            f"Ask shortly, {EXAMPLE}."
        )
    return None


def not_understood(question: str, part: str = "") -> Answer:
    """Says that a question is not understood, and which part of it."""
    text = unreadable_because(question)
    if text is None:
        shown = _printable(question.strip())
        named = f": I make nothing of {_printable(part)}" if part else ""
        text = f'I do not understand "{shown}"{named}. I know English questions about where things are; ask {EXAMPLE}.'
    return Answer(text=text, value=None, understood=False, reason="not_understood", confidence=0.0, source="language")


def unknown_thing(name: str, known: Sequence[str]) -> Answer:
    """ "I do not know unicorns. I know chairs, tables, ..." """
    is_plural = name.endswith("s") or find_label(name) is not None
    words = name if find_label(name) is not None else _printable(name if is_plural else plural_of(name))
    return replace(answer_text.unknown_thing(words, known or tuple(LABELS)), source="language")


def _printable(words: str) -> str:
    """In one line, cut, and without characters that would change a terminal."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in words)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
