"""Questions about a scene: their kinds, their wording, and whether an answer is right.

The whole way: ``facts(scene)`` finds what can be asked, ``balanced`` takes the guessing out of it, ``phrase`` puts a
fact into words, ``is_correct`` marks an answer. ``parsing.parse`` reads a question, ``rules.answer_by_rules`` answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.answer_text import unseen_label
from distill3d_ros.questions.fact import GroundTruthQA
from distill3d_ros.questions.kinds import KINDS, Mention
from distill3d_ros.questions.thresholds import THRESHOLDS
from distill3d_ros.questions.wordings import SLOT, before_name, in_form, templates
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Scene

SYNONYM_SHARE = 0.2
"""How often a thing is called by another of its names."""


@dataclass(frozen=True, slots=True)
class Question:
    """A fact in words."""

    text: str
    kind: str
    family: str
    form: str
    """One of FORMS."""
    mentions: tuple[Mention, ...]
    """In the order of the text."""
    fact: GroundTruthQA
    held_out_wording: bool = False
    """Whether the wording is one of those that training never sees."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names in the order of the kind's slots."""
        return self.fact.labels


def phrase(fact: GroundTruthQA, scene: Scene | None, rng: np.random.Generator, *, held_out: bool = False) -> Question:
    """Puts a fact into words, chosen at random among those of its kind (training's, or the held-back ones).

    ``scene`` is not needed to word the kinds there are; it is here for those that come to depend on it.
    """
    kind = KINDS[fact.kind]
    options = templates(fact.kind, held_out)
    template = options[int(rng.integers(len(options)))]
    order = list(range(kind.slots))
    if kind.symmetric and rng.random() < 0.5:
        order.reverse()
    text, mentions, position = "", [], 0
    for match in SLOT.finditer(template):
        slot, form = order[int(match[1])], match[2]
        name = _name(fact.labels[slot], rng)
        text += template[position : match.start()] + before_name(name, form)
        shown = in_form(name, form)
        mentions.append(Mention(len(text), len(text) + len(shown), fact.labels[slot], fact.object_ids[slot]))
        text += shown
        position = match.end()
    text += template[position:]
    return Question(text, fact.kind, kind.family, kind.form, tuple(mentions), fact, held_out)


def _name(label: str, rng: np.random.Generator) -> str:
    synonyms = [s for s in LABELS[label].synonyms if s not in _AWKWARD] if label in LABELS else []
    if synonyms and rng.random() < SYNONYM_SHARE:
        return synonyms[int(rng.integers(len(synonyms)))]
    return label


_AWKWARD = frozenset({"flowers"})
"""Synonyms that do not fit into "is the ...?"."""


def is_correct(asked: GroundTruthQA | Question, answer: Answer) -> bool:
    """Whether an answer is right: yes/no, counts and labels exactly (any of several right labels), metres within a
    share (THRESHOLDS.metres_tolerance), and of something absent only that it is not seen."""
    fact = asked.fact if isinstance(asked, Question) else asked
    truth = fact.answer.value
    if not answer.understood:
        return False
    if truth is None:
        absent = {label for label, i in zip(fact.labels, fact.object_ids, strict=True) if i is None}
        return answer.value is None and unseen_label(answer.text) in absent
    form = KINDS[fact.kind].form
    value = answer.value
    if form == "yes_no":
        return isinstance(value, bool) and value == truth
    if isinstance(value, bool) or value is None:
        return False
    if form == "metric":
        if not isinstance(value, (int, float)):
            return False
        # Judged as it reads: the text's rounding must not decide.
        return abs(value - float(truth)) <= THRESHOLDS.metres_tolerance * abs(float(truth)) + 1e-6
    return value == truth or (isinstance(value, str) and value in fact.accepted)
