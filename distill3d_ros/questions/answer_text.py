"""The texts of answers: few, short and uniform, so that a small language model learns them and they read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.labels import LABELS, find_label

NOT_UNDERSTOOD = 'I do not understand the question. Ask, for example, "Is the chair near the table?"'
NO_SCALE = "I cannot tell metres here."
NOT_SURE = "I am not sure."
NOTHING = "nothing"
"""Answer text and value of a naming question that nothing fits."""

_COUNTS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_METRES = re.compile(r"(\d+(?:\.\d+)?) ?(?:m|metres?|meters?)")


def metres_text(metres: float) -> str:
    """ "1.4 metres"; below a metre in steps of 5 cm."""
    if metres < 0.975:
        return f"{round(metres * 20) / 20:.2f} metres"
    return f"{metres:.1f} metres"


def count_text(count: int) -> str:
    """ "none", "one", ... "twelve", then digits."""
    return _COUNTS[count] if count < len(_COUNTS) else str(count)


def with_article(name: str) -> str:
    """ "a lamp", "an oven"; "books"."""
    if name in LABELS:
        return f"{LABELS[name].article} {name}".lstrip()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def not_seen_text(label: str) -> str:
    """ "I do not see a lamp." """
    return f"I do not see {with_article(label)}."


def yes_no(value: bool, object_ids: tuple[int, ...] = (), confidence: float = 1.0) -> Answer:
    return Answer(text="yes" if value else "no", value=value, object_ids=object_ids, confidence=confidence)


def choice(label: str, object_ids: tuple[int, ...] = (), confidence: float = 1.0) -> Answer:
    return Answer(text=f"the {label}", value=label, object_ids=object_ids, confidence=confidence)


def naming(label: str, object_ids: tuple[int, ...] = (), confidence: float = 1.0) -> Answer:
    """``label`` may be ``NOTHING``."""
    text = label if label == NOTHING else with_article(label)
    return Answer(text=text, value=label, object_ids=object_ids, confidence=confidence)


def metres(value: float, object_ids: tuple[int, ...] = (), confidence: float = 1.0) -> Answer:
    return Answer(text=metres_text(value), value=round(value, 3), object_ids=object_ids, confidence=confidence)


def count(value: int, object_ids: tuple[int, ...] = (), confidence: float = 1.0) -> Answer:
    return Answer(text=count_text(value), value=value, object_ids=object_ids, confidence=confidence)


def not_seen(label: str, confidence: float = 1.0) -> Answer:
    return Answer(text=not_seen_text(label), value=None, reason="not_seen", confidence=confidence)


def not_understood() -> Answer:
    return Answer(text=NOT_UNDERSTOOD, value=None, understood=False, reason="not_understood", confidence=0.0)


def unknown_thing(label: str, known: Sequence[str]) -> Answer:
    """That a student never learned what bears this name, which is not that there is none."""
    names = [LABELS[name].plural if name in LABELS else name for name in known]
    shown = ", ".join(names[:4]) + (" and more" if len(names) > 4 else "")
    plural = LABELS[label].plural if label in LABELS else label
    text = f"I do not know {plural}. I know {shown}."
    return Answer(text=text, value=None, understood=False, reason="unknown_thing", confidence=0.0)


def no_scale() -> Answer:
    return Answer(text=NO_SCALE, value=None, reason="no_scale", confidence=0.0)


def too_unsure(answer: Answer, least: float) -> Answer:
    """The answer itself if it is sure enough, else that it is not; what it would be is left to the confidence."""
    if answer.value is None or answer.confidence >= least:
        return answer
    return replace(answer, text=NOT_SURE, value=None, reason="too_unsure")


def answer_value(text: str) -> bool | int | float | str | None:
    """The value that an answer's text stands for; None for "I do not see ..." and for what is no answer."""
    words = " ".join(text.lower().split()).rstrip(". ")
    if words in ("yes", "no"):
        return words == "yes"
    if words == NOTHING:
        return NOTHING
    if words in _COUNTS:
        return _COUNTS.index(words)
    if words.isdecimal() and len(words) < 7:
        return int(words)
    if match := _METRES.fullmatch(words):
        return float(match[1])
    name = re.sub(r"^(?:the|an?) ", "", words)
    return name if name in LABELS else None


def unseen_label(text: str) -> str | None:
    """The label in "I do not see a <label>."; None for any other text."""
    match = re.fullmatch(r"i do not see (?:(?:an?|the|any) )?(.+?)\.?", text.strip().lower())
    label = find_label(match[1]) if match else None
    return label.name if label else None
