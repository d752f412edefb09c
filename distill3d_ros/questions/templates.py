"""The templates of every kind of question: its phrases with their alternatives spelt out, and the forms of names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from distill3d_ros.questions.phrases import COMPARATIVE_FRAMES, OTHER_FRAMES, PHRASES, YES_NO_FRAMES
from distill3d_ros.scene.labels import LABELS, plural_of

SLOT = re.compile(r"\{(\d)([as]?)\}")
"""A name's place in a template: the number of the slot, and the form."""


@cache
def templates(kind: str, held_out: bool) -> tuple[str, ...]:
    """Every template of a kind: those of training, or those that are held out from it."""
    phrases = PHRASES[kind]
    source = COMPARATIVE_FRAMES if phrases.comparative else phrases
    lines = source.held_out if held_out else source.training
    own = [spelt for line in lines for spelt in _spelt_out(line.replace("<comparative>", phrases.comparative))]
    return tuple(dict.fromkeys(own if held_out else own + _framed(kind)))


def before_name(name: str, form: str) -> str:
    """The words before a name, as ``in_form`` gives it, in a slot of this form."""
    if form == "s":
        return ""
    if form == "a":
        return "an " if in_form(name, form)[0] in "aeiou" else "a "
    return "the "


def in_form(name: str, form: str) -> str:
    """The name as a slot of this form has it."""
    if form != "s":
        return LABELS[name].singular if name in LABELS else name
    return LABELS[name].plural if name in LABELS else plural_of(name)


def _framed(kind: str) -> list[str]:
    """The ways of asking that fit any question, around the kind's plainest words."""
    phrases = PHRASES[kind]
    if phrases.statement:
        return _fill(YES_NO_FRAMES, statement=phrases.statement, question=phrases.question)
    question = phrases.question
    if phrases.comparative:
        question = f"which is {_spelt_out(phrases.comparative)[0]}, {{0}} or {{1}}"
    return _fill(OTHER_FRAMES, question=question, indirect=phrases.indirect or question)


def _fill(frames: Sequence[str], **words: str) -> list[str]:
    filled = []
    for frame in frames:
        for place, phrase in words.items():
            frame = frame.replace(f"<{place}>", phrase)
        filled.append(frame)
    return filled


def _spelt_out(line: str) -> list[str]:
    match = re.search(r"\(([^()]*)\)", line)
    if match is None:
        return [line]
    before, after = line[: match.start()], line[match.end() :]
    return [whole for option in match[1].split("|") for whole in _spelt_out(before + option + after)]
