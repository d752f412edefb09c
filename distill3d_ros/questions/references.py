"""References to some of several things of one name: "the nearest chair", "the lamp on the desk", "how many cups on it".

A reference picks things of a scene; the question is then answered as if no other bore that name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.phrases import RELATIVE_WORDS, SUPERLATIVE_WORDS
from distill3d_ros.questions.relations import Relations
from distill3d_ros.questions.rules import MIN_SCORE, NAMED_SCORE, certainty
from distill3d_ros.questions.superlatives import SUPERLATIVES
from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Scene, SceneObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One of several things of a name."""

    label: str
    how: str
    """A key of SUPERLATIVE_WORDS or of RELATIVE_WORDS."""
    other: str | None = None
    """The name of the thing that it is found by; None with SUPERLATIVE_WORDS."""
    every: bool = False
    """Whether all that stand so are meant ("how many cups are on the table?"), not one of them."""

    def words(self, choose: Callable[[int], int] = lambda n: 0) -> tuple[str, str]:
        """The words before the name and after it, without articles: ("nearest ", "") or ("", " next to the door").

        ``choose`` picks one of n ways to say it.
        """
        if self.other is None:
            ways = SUPERLATIVE_WORDS[self.how]
            return ways[choose(len(ways))] + " ", ""
        ways = RELATIVE_WORDS[self.how]
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
    """The referents, or the name of an absent thing.

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
    if how not in SUPERLATIVES:
        assert at is not None
        return _best_fit(_fits(how, relations, at), relations.gap[:, at], candidates)
    superlative = SUPERLATIVES[how]
    key = superlative.measure(relations, at)
    first, second = sorted(candidates, key=lambda i: key[i])[:2]
    margin = superlative.margin(relations.thresholds, key[first], key[second])
    return first, float(abs(key[second] - key[first]) / margin)


def _fits(how: str, relations: Relations, at: int) -> FloatArray:
    """(N,) score of standing so to the thing ``at``."""
    score = KINDS[how].score
    assert score is not None
    return score(relations)[:, at]


def _best_fit(fits: FloatArray, gap: FloatArray, candidates: list[int]) -> tuple[int, float]:
    """The one that fits; of several the one next to the other thing, and then nobody knows for sure."""
    fitting = [i for i in candidates if fits[i] > 0]
    if not fitting:
        best = max(candidates, key=lambda i: fits[i])
        return best, float(min(fits[best], 0.0))
    best = min(fitting, key=lambda i: gap[i])
    rivals = [float(fits[i]) for i in candidates if i != best]
    return best, float(min(fits[best], -max(rivals)))


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
class ResolvedReferences:
    """The things of a scene that the references of a question mean."""

    scene: Scene
    """Without the things that are not meant; see ``single_out``."""
    chosen: Mapping[str, frozenset[int]]
    """Label -> ids of the things that are meant."""
    certainty: float
    """That they are the right ones, as far as they stand out: 0.5..1."""


def resolve(
    references: Sequence[Reference | None], scene: Scene, *, thresholds: Thresholds = THRESHOLDS
) -> ResolvedReferences | Answer:
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
    return ResolvedReferences(scene=single_out(scene, chosen), chosen=chosen, certainty=trust)
