"""Which of several things of one name are meant: "the nearest chair", "the lamp on the desk", "how many cups on it".

A reference picks things of a scene; the question is then answered as if no other bore that name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.relations import Relations
from distill3d_ros.questions.rules import MIN_SCORE, NAMED_SCORE, certainty
from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Scene, SceneObject

SUPERLATIVES: dict[str, tuple[str, ...]] = {
    "nearest": ("nearest", "closest", "nearer", "closer"),
    "farthest": ("farthest", "furthest", "farther", "further"),
    "leftmost": ("leftmost", "left"),
    "rightmost": ("rightmost", "right"),
    "largest": ("largest", "biggest", "larger", "bigger"),
    "smallest": ("smallest", "smaller"),
    "tallest": ("tallest", "taller"),
    "shortest": ("shortest", "lowest", "shorter"),
}
"""How a thing stands out -> the words for it, before the name."""

RELATIVES: dict[str, tuple[str, ...]] = {
    "nearest_to": ("nearest to", "closest to", "next to", "nearer to", "closer to"),
    "farthest_from": ("farthest from", "furthest from", "farther from", "further from"),
    "on": ("on", "on top of"),
    "under": ("under", "underneath", "beneath"),
    "left_of": ("left of", "to the left of", "on the left of"),
    "right_of": ("right of", "to the right of", "on the right of"),
    "in_front_of": ("in front of",),
    "behind": ("behind",),
}
"""How it stands to another thing -> the words for it, between the two names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One of several things of a name."""

    label: str
    how: str
    """A key of SUPERLATIVES or of RELATIVES."""
    other: str | None = None
    """The name of the thing that it is told by; None with SUPERLATIVES."""
    every: bool = False
    """Whether all that stand so are meant ("how many cups are on the table?"), not one of them."""

    def words(self, choose: Callable[[int], int] = lambda n: 0) -> tuple[str, str]:
        """What stands before the name and after it, without articles: ("nearest ", "") or ("", " next to the door").

        ``choose`` picks one of n ways to say it.
        """
        if self.other is None:
            ways = SUPERLATIVES[self.how]
            return ways[choose(len(ways))] + " ", ""
        ways = RELATIVES[self.how]
        return "", f" {ways[choose(len(ways))]} the {self.other}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Referents:
    """The things that a reference picks: one, or any number where all are meant."""

    ids: frozenset[int]
    lead: float
    """By how much they stand out, in units of the margin that a person needs; clear from 1, a guess at 0."""


def refer(
    reference: Reference, relations: Relations, *, min_score: float = MIN_SCORE, named_score: float = NAMED_SCORE
) -> Referents | str:
    """What is meant, or the name of what is not there.

    Things whose own name it is and that are surely seen stand for election; if there is none, the likeliest.
    """
    things = relations.objects
    candidates = [i for i, o in enumerate(things) if o.label == reference.label and o.score >= min_score]
    if not candidates and not reference.every:
        likeliest = _likeliest(things, reference.label, named_score, without=())
        if likeliest is None:
            return reference.label
        candidates = [likeliest]
    at = None
    if reference.other is not None:
        at = _likeliest(things, reference.other, named_score, without=candidates)
        if at is None:
            return reference.other
    if reference.every:
        assert at is not None
        fits = _fits(reference.how, relations, at)
        lead = min((abs(float(fits[i])) for i in candidates), default=math.inf)
        return Referents(ids=frozenset(things[i].id for i in candidates if fits[i] > 0), lead=lead)
    if len(candidates) == 1:
        return Referents(ids=frozenset({things[candidates[0]].id}), lead=math.inf)
    chosen, lead = _stands_out(reference.how, relations, candidates, at)
    return Referents(ids=frozenset({things[chosen].id}), lead=lead)


def _likeliest(things: Sequence[SceneObject], label: str, least: float, without: Sequence[int]) -> int | None:
    scores = [(o.label_score(label), -i) for i, o in enumerate(things) if i not in without]
    best, index = max(scores, default=(0.0, 0))
    return -index if best >= least and best > 0 else None


def _stands_out(how: str, relations: Relations, candidates: list[int], at: int | None) -> tuple[int, float]:
    """The winner, and its lead over the second in margins."""
    if how not in _MEASURES:
        assert at is not None
        return _the_one_that(_fits(how, relations, at), relations.gap[:, at], candidates)
    measure, margin = _MEASURES[how]
    key = measure(relations, at)
    first, second = sorted(candidates, key=lambda i: key[i])[:2]
    return first, float(abs(key[second] - key[first]) / margin(relations.thresholds, key[first], key[second]))


def _fits(how: str, relations: Relations, at: int) -> FloatArray:
    """(N,) score of standing so to the thing ``at``."""
    if how in ("right_of", "behind"):
        matrix = relations.left_of if how == "right_of" else relations.in_front_of
        return matrix[at]
    matrix = getattr(relations, how)
    return np.asarray(matrix[:, at])


def _the_one_that(fits: FloatArray, gap: FloatArray, candidates: list[int]) -> tuple[int, float]:
    """The one that fits; of several the one next to the other thing, and then nobody knows for sure."""
    fitting = [i for i in candidates if fits[i] > 0]
    if not fitting:
        best = max(candidates, key=lambda i: fits[i])
        return best, float(min(fits[best], 0.0))
    best = min(fitting, key=lambda i: gap[i])
    rivals = [float(fits[i]) for i in candidates if i != best]
    return best, float(min(fits[best], -max(rivals)))


Measure = Callable[[Relations, "int | None"], FloatArray]
Margin = Callable[[Thresholds, float, float], float]


def _metres(t: Thresholds, a: float, b: float) -> float:
    return max(t.nearer_distance, t.nearer_distance_share * abs(a + b) / 2)


def _gaps(t: Thresholds, a: float, b: float) -> float:
    return max(t.closer_gap, t.closer_gap_share * abs(a + b) / 2)


_MEASURES: dict[str, tuple[Measure, Margin]] = {
    "nearest": (lambda r, _: r.distance, _metres),
    "farthest": (lambda r, _: -r.distance, _metres),
    "leftmost": (lambda r, _: r.bearing, lambda t, a, b: t.side_bearing),
    "rightmost": (lambda r, _: -r.bearing, lambda t, a, b: t.side_bearing),
    "largest": (lambda r, _: r.smallness, lambda t, a, b: math.log(t.volume_ratio)),
    "smallest": (lambda r, _: -r.smallness, lambda t, a, b: math.log(t.volume_ratio)),
    "tallest": (lambda r, _: -np.log(r.height), lambda t, a, b: math.log(t.height_ratio)),
    "shortest": (lambda r, _: np.log(r.height), lambda t, a, b: math.log(t.height_ratio)),
    "nearest_to": (lambda r, at: r.gap[:, at], _gaps),
    "farthest_from": (lambda r, at: -r.gap[:, at], _gaps),
}
"""How -> (what is measured, the least wins; by how much it must win)."""


def single_out(scene: Scene, chosen: Mapping[str, frozenset[int]]) -> Scene:
    """The scene in which only the chosen things bear each of some names.

    Args:
        chosen: label -> ids. Other things of the label are left out; those that might have been taken for one lose
            that possibility.
    """
    kept = []
    for o in scene.objects:
        not_one = [label for label, ids in chosen.items() if o.id not in ids]
        if o.label in not_one:
            continue
        if any(label in o.label_scores for label in not_one):
            o = replace(o, label_scores={name: s for name, s in o.label_scores.items() if name not in not_one})
        own = next((label for label, ids in chosen.items() if o.id in ids), o.label)
        kept.append(o if own == o.label else replace(o, label=own, score=o.label_score(own)))
    return replace(scene, objects=tuple(kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class Singled:
    """What references pick in a scene."""

    scene: Scene
    """Without the things that are not meant; see ``single_out``."""
    chosen: Mapping[str, frozenset[int]]
    """Label -> ids of the things that are meant."""
    certainty: float
    """That they are the right ones, as far as they stand out: 0.5..1."""


def resolve(
    references: Sequence[Reference | None], scene: Scene, *, thresholds: Thresholds = THRESHOLDS
) -> Singled | Answer:
    """The scene with what the references mean singled out; or the answer that something is not there."""
    relations = Relations(scene, list(scene.objects), thresholds)
    chosen: dict[str, frozenset[int]] = {}
    trust = 1.0
    for reference in references:
        if reference is None:
            continue
        meant = refer(reference, relations)
        if isinstance(meant, str):
            best = max((o.label_score(meant) for o in scene.objects), default=0.0)
            return answer_text.not_seen(meant, confidence=1.0 - min(1.0, best))
        chosen[reference.label] = meant.ids
        trust *= certainty(max(0.0, meant.lead))
    return Singled(scene=single_out(scene, chosen), chosen=chosen, certainty=trust)
