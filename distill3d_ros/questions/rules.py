"""Answers from geometry alone, on whatever boxes a scene has: truth, or the student's own.

On the student's own boxes this is the baseline that its language model has to beat.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Protocol

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.naming import best_name
from distill3d_ros.questions.relations import Relations, decided
from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.objects import Scene

MIN_SCORE = 0.2
"""Label score from which a thing counts as seen: it is shown, counted, and there when asked for."""
NAMED_SCORE = 0.1
"""Label score that suffices for a thing that a question takes for granted. Both were chosen on validation rooms, for
the student that ships: of planted questions about absent things it answers 26 % as if they were there instead of 58 %,
and 3 points fewer of those about present things rightly."""


class Asked(Protocol):
    """A question as the rules use it: a ParsedQuestion, a Question or a GroundTruthQA."""

    @property
    def kind(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...


def answer_by_rules(
    asked: Asked | None,
    scene: Scene,
    *,
    min_score: float = MIN_SCORE,
    named_score: float = NAMED_SCORE,
    thresholds: Thresholds = THRESHOLDS,
) -> Answer:
    """The answer that the scene's boxes give.

    Each name stands for the object with the highest score for it; if none reaches ``named_score`` the answer is that it
    is not seen. What is counted, or asked to be there, must reach ``min_score``. Inside a margin band the nearer side
    is taken, with a confidence near one half. ``None`` (a question that ``parse`` did not understand) is answered as
    not understood.
    """
    if asked is None:
        return answer_text.not_understood()
    kind = KINDS[asked.kind]
    if len(asked.labels) != kind.slots:
        raise ValueError(f"a question of kind {asked.kind!r} names {kind.slots} things. Got labels {asked.labels}")
    is_category = kind.family in ("existence", "counting")
    least = min_score if is_category else named_score
    seen = [o for o in scene.objects if o.score >= least or max(o.label_scores.values(), default=0.0) >= least]
    relations = Relations(scene, seen, thresholds)
    if is_category:
        return _category(asked, relations, least)
    indices, missing = _look_up(relations, asked.labels, least)
    if missing is not None:
        best = max((o.label_score(missing) for o in scene.objects), default=0.0)
        return answer_text.not_seen(missing, confidence=1.0 - min(1.0, best))
    if kind.form == "metric" and not scene.is_metric:
        return answer_text.no_scale()
    found = math.prod(relations.objects[i].label_score(n) for i, n in zip(indices, asked.labels, strict=True))
    trust = found ** (1 / max(1, len(indices)))
    return _ANSWERERS[kind.form](asked, relations, indices, trust)


def _look_up(relations: Relations, labels: Sequence[str], min_score: float) -> tuple[tuple[int, ...], str | None]:
    """The index of the object that each name stands for, no object standing for two; or the name that is not there."""
    likely: list[list[int]] = []
    for label in labels:
        scores = [(o.label_score(label), -i) for i, o in enumerate(relations.objects)]
        ranked = [-i for score, i in sorted(scores, reverse=True)[: len(labels)] if score >= min_score]
        if not ranked:
            return (), label
        likely.append(ranked)
    tops = tuple(ranked[0] for ranked in likely)
    if len(set(tops)) == len(tops):
        return tops, None
    pool = sorted({i for ranked in likely for i in ranked})
    best: tuple[float, tuple[int, ...]] = (-1.0, ())
    for choice in permutations(pool, len(labels)):
        scores_of = [relations.objects[i].label_score(label) for i, label in zip(choice, labels, strict=True)]
        if min(scores_of) >= min_score:
            best = max(best, (math.prod(scores_of), choice))
    if best[1]:
        return best[1], None
    # One object for two names: the name that fits it less is not there.
    clash = [n for n, i in zip(labels, tops, strict=True) if tops.count(i) > 1]
    return (), min(clash, key=lambda n: max(o.label_score(n) for o in relations.objects))


def certainty(score: float) -> float:
    """Confidence in a decision by the sign of a score: one half at 0, .82 at the edge of the margin band."""
    return 1.0 - 0.5 * math.exp(-abs(score))


def _ids(relations: Relations, indices: Sequence[int]) -> tuple[int, ...]:
    return tuple(relations.objects[i].id for i in indices)


def _yes_no(asked: Asked, relations: Relations, indices: tuple[int, ...], trust: float) -> Answer:
    score = KINDS[asked.kind].value(relations, indices)
    return answer_text.yes_no(score > 0, _ids(relations, indices), trust * certainty(score))


def _choice(asked: Asked, relations: Relations, indices: tuple[int, ...], trust: float) -> Answer:
    score = KINDS[asked.kind].value(relations, indices)
    winner = len(indices) - (2 if score >= 0 else 1)
    order = (indices[winner], *(i for n, i in enumerate(indices) if n != winner))
    return answer_text.choice(asked.labels[winner], _ids(relations, order), trust * certainty(score))


def _metric(asked: Asked, relations: Relations, indices: tuple[int, ...], trust: float) -> Answer:
    value = KINDS[asked.kind].value(relations, indices)
    return answer_text.metres(value, _ids(relations, indices), trust)


def _open(asked: Asked, relations: Relations, indices: tuple[int, ...], trust: float) -> Answer:
    named = best_name(relations, asked.kind, indices[0] if indices else None)
    ids = (*named.object_ids, *_ids(relations, indices))
    if named.object_ids:
        thing = relations.objects[relations.index[named.object_ids[0]]]
        trust *= math.sqrt(thing.label_score(named.label))
    return answer_text.naming(named.label, ids, trust * certainty(named.score))


def _category(asked: Asked, relations: Relations, min_score: float) -> Answer:
    """Counting and existence: things whose own label it is, as each box stands for one thing."""
    label = asked.labels[0]
    things = [o for o in relations.objects if o.label == label and o.label_score(label) >= min_score]
    scores = [o.label_score(label) for o in relations.objects]
    ids = tuple(o.id for o in things)
    if KINDS[asked.kind].form == "yes_no":
        best = max(scores, default=0.0)
        return answer_text.yes_no(best >= min_score, ids, best if best >= min_score else 1.0 - best)
    doubt = math.prod(max(s, 1.0 - s) for s in scores)
    return answer_text.count(len(things), ids, doubt)


_ANSWERERS = {"yes_no": _yes_no, "choice": _choice, "metric": _metric, "open": _open}


def holds(scene: Scene, relation: str, a: int, b: int, thresholds: Thresholds = THRESHOLDS) -> bool | None:
    """Whether object ``a`` stands in ``relation`` to object ``b``, both given by id; None inside the margin band.

    Raises:
        ValueError: ``relation`` is no kind of yes/no question about two things, or both objects are one.
    """
    known = [name for name, kind in KINDS.items() if kind.form == "yes_no" and kind.slots == 2]
    if relation not in known:
        raise ValueError(f"relation must be one of {known}. Got {relation!r}")
    return decided(KINDS[relation].value(Relations.of_pair(scene, a, b, thresholds), (0, 1)))
