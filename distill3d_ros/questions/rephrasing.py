"""A question in words that a student was trained on: people have more ways of asking than any training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from distill3d_ros.questions.parsing import ParsedQuestion, parse
from distill3d_ros.questions.templates import SLOT, before_name, in_form, templates
from distill3d_ros.scene.labels import LABELS

_ANY = ("chair", "table", "lamp")


def rephrase_to_training(asked: ParsedQuestion) -> str:
    """The question as it is where training had its wording, else in the plainest wording of its kind.

    What tells which of several things is meant is left out, see ``ParsedQuestion.plain``. Names stay those of the
    question, but for plurals where the plain wording speaks of one thing.
    """
    if asked.pattern in _known_patterns(asked.kind):
        return asked.plain.strip()
    return plain_wording(asked, asked.labels)


def plain_wording(asked: ParsedQuestion, labels: Sequence[str]) -> str:
    """The question about its things in another order, in the plainest wording of its kind."""
    return _filled(templates(asked.kind, False)[0], [_name(asked, label) for label in labels])


@cache
def _known_patterns(kind: str) -> frozenset[str]:
    """Training's wordings of a kind, as the parser sees them."""
    read = [parse(_filled(template, _ANY)) for template in templates(kind, False)]
    return frozenset(asked.pattern for asked in read if asked is not None)


def _filled(template: str, names: Sequence[str]) -> str:
    def name_in(slot: re.Match[str]) -> str:
        name, form = names[int(slot[1])], slot[2]
        return before_name(name, form) + in_form(name, form)

    return SLOT.sub(name_in, template)


def _name(asked: ParsedQuestion, label: str) -> str:
    """The question's name of a thing, if it is a label."""
    called = next(asked.text[m.start : m.end].lower() for m in asked.mentions if m.label == label)
    synonyms = LABELS[label].synonyms if label in LABELS else ()
    return called if called in synonyms else label
