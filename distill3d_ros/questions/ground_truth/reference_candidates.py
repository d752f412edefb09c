"""Question candidates about one of several things of a name, and about the number of them in a relation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates, visible_objects
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.phrases import COUNTED, RELATIVE_WORDS, SUPERLATIVE_WORDS
from distill3d_ros.questions.references import Reference, refer, single_out
from distill3d_ros.questions.relations import DECIDED, Relations
from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.objects import Scene

WAYS_PER_NAME = 2
"""How many ways to tell the things of one name apart are used in a scene."""


def reference_candidates(
    scene: Scene, rng: np.random.Generator, *, thresholds: Thresholds = THRESHOLDS
) -> list[tuple[GroundTruthQA, Reference]]:
    """Facts whose question needs a reference, each with it; only where the reference is clear.

    The fact's ``object_ids`` name the thing that is meant. Counts are of all things of a name that stand so to another
    thing. What shows too little to be asked about is no referent, but keeps others from being clear. There are none
    where only visible surfaces are known: which of several things is larger or nearer to another, they rarely tell.
    """
    if scene.annotation.boxes != "amodal":
        return []
    seen, clear = visible_objects(scene, thresholds)
    names = Counter(o.label for o in seen)
    relations = Relations(scene, seen, thresholds)
    unique = sorted(o.label for o in seen if names[o.label] == 1 and o.id in clear)
    found: list[tuple[GroundTruthQA, Reference]] = []
    for label in sorted(names):
        if names[label] > 1:
            found += _about_one(scene, relations, label, unique, clear, rng)
        if all(o.id in clear for o in seen if o.label == label):
            found += _counts(relations, label, [name for name in unique if name != label])
    return found


def _about_one(
    scene: Scene, relations: Relations, label: str, unique: list[str], clear: set[int], rng: np.random.Generator
) -> Iterator[tuple[GroundTruthQA, Reference]]:
    ways = [Reference(label=label, how=how) for how in SUPERLATIVE_WORDS]
    ways += [Reference(label=label, how=how, other=other) for how in RELATIVE_WORDS for other in unique]
    used = 0
    for n in rng.permutation(len(ways)):
        reference = ways[n]
        meant = refer(reference, relations)
        if isinstance(meant, str) or meant.lead < DECIDED or not meant.ids <= clear:
            continue
        for fact in question_candidates(single_out(scene, {label: meant.ids}), thresholds=relations.thresholds):
            kind = KINDS[fact.kind]
            if label not in fact.labels or reference.other in fact.labels or fact.answer.value is None:
                continue
            if kind.family in ("counting", "existence") or (kind.form == "open" and not kind.of_namesakes):
                continue
            yield replace(fact, group=f"{fact.group} {reference.how}"), reference
        used += 1
        if used == WAYS_PER_NAME:
            return


def _counts(relations: Relations, label: str, unique: list[str]) -> Iterator[tuple[GroundTruthQA, Reference]]:
    for how in COUNTED:
        for other in unique:
            reference = Reference(label=label, how=how, other=other, every=True)
            meant = refer(reference, relations)
            if isinstance(meant, str) or meant.lead < DECIDED:
                continue
            answer = answer_text.count(len(meant.ids), tuple(sorted(meant.ids)))
            yield GroundTruthQA("count", (label,), (None,), answer, f"count:{label} {how}"), reference
