"""A ground-truth question in words: one of the templates of its kind, with the names filled in."""

from __future__ import annotations

import numpy as np

from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import Mention
from distill3d_ros.questions.templates import SLOT, before_name, in_form, templates
from distill3d_ros.scene.labels import LABELS

SYNONYM_SHARE = 0.2
"""How often a thing is called by another of its names."""


def phrase(fact: GroundTruthQA, rng: np.random.Generator, *, held_out: bool = False) -> Question:
    """Puts a fact into words, chosen at random among those of its kind (training's, or the held-out ones)."""
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
    synonyms = [s for s in LABELS[label].synonyms if s not in _NOT_DRAWN] if label in LABELS else []
    if synonyms and rng.random() < SYNONYM_SHARE:
        return synonyms[int(rng.integers(len(synonyms)))]
    return label


_NOT_DRAWN = frozenset(
    {
        *("flowers", "somebody", "someone"),
        *("man", "woman", "child", "painting", "poster", "shower curtain", "kitchen counter"),
        *("roller blind", "venetian blind"),
    }
)
"""Synonyms that do not fit into "is the ...?", and those that only some things of their category bear."""
