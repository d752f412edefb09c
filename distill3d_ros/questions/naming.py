"""Which thing answers "what is on / left of / nearest to ...?"."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from distill3d_ros.questions.answer_text import NOTHING
from distill3d_ros.questions.relations import CLEAR, DECIDED, Relations
from distill3d_ros.scene.frame import FloatArray

SURFACES = frozenset(
    {
        *("table", "desk", "bed", "cabinet", "shelf", "sofa", "chair", "armchair", "stool", "wardrobe"),
        *("fridge", "oven", "washing machine", "sink", "box", "radiator"),
    }
)
"""Things of which one asks what is on or under them, even if nothing is."""


@dataclass(frozen=True, slots=True)
class Named:
    """The thing that answers a naming question."""

    label: str
    """A label, or ``NOTHING``."""
    object_ids: tuple[int, ...]
    """The thing's id; empty for ``NOTHING``."""
    accepted: tuple[str, ...] = ()
    """Other labels that are right as well."""
    score: float = 1.0
    """How clear it is; at least 1 where the margins hold."""


Contest = tuple[list[int], list[float], list[float], Callable[[float, float], float]]


def clear_name(relations: Relations, kind: str, reference: int | None, clear: np.ndarray) -> Named | None:
    """The answer to a naming question about the object with index ``reference`` (None for kinds without a slot).

    None where it is not clear: two things compete, or a thing in a margin band might be the answer. ``clear``: (N,)
    which objects show enough of themselves to be an answer.
    """
    contest = _contest(relations, kind, reference)
    several_right = kind in ("what_is_on", "what_is_under")
    return _clear_winner(relations, *contest, clear, several_right=several_right)


def best_name(relations: Relations, kind: str, reference: int | None) -> Named:
    """The best guess at the same; its score is below 1 where a margin is not kept."""
    others, fits, key, margin = _contest(relations, kind, reference)
    candidates = sorted((i for i in others if fits[i] > 0), key=lambda i: key[i])
    if not candidates:
        return Named(NOTHING, (), (), -max((fits[i] for i in others), default=-1.0))
    best = candidates[0]
    rival = next((key[i] for i in candidates[1:] if _label(relations, i) != _label(relations, best)), None)
    lead = 1.0 if rival is None else (rival - key[best]) / margin(key[best], rival)
    return Named(_label(relations, best), (relations.objects[best].id,), (), min(fits[best], lead))


def _clear_winner(
    relations: Relations,
    others: list[int],
    fits: list[float],
    key: list[float],
    margin: Callable[[float, float], float],
    clear: np.ndarray,
    *,
    several_right: bool,
) -> Named | None:
    possible = [i for i in others if fits[i] > -DECIDED]
    certain = [i for i in possible if fits[i] >= DECIDED]
    if not certain:
        return None if possible else Named(NOTHING, ())
    best = min(certain, key=key.__getitem__)
    label = _label(relations, best)
    if not clear[best]:
        return None
    for i in possible:
        if _label(relations, i) != label and key[i] < key[best] + margin(key[best], key[i]):
            return None
    accepted = sorted({_label(relations, i) for i in certain} - {label}) if several_right else ()
    return Named(label, (relations.objects[best].id,), tuple(accepted))


def _contest(relations: Relations, kind: str, reference: int | None) -> Contest:
    """Who might be the answer, how well each fits the relation, and which of those that fit is preferred."""
    key, margin = _preference(relations, kind, reference)
    others = [i for i in range(len(relations.objects)) if i != reference]
    return others, _fits(relations, kind, reference).tolist(), key.tolist(), margin


def _label(relations: Relations, i: int) -> str:
    return relations.objects[i].label


def _fits(relations: Relations, kind: str, reference: int | None) -> FloatArray:
    """(N,) score of each object satisfying the relation that the question names."""
    if kind == "what_is_on":
        return relations.on[:, reference]
    if kind == "what_is_under":
        return relations.under[:, reference]
    if kind == "standing_on":
        return relations.on[reference]
    if kind not in _SIDES:
        return np.full(len(relations.objects), CLEAR)
    name, from_reference = _SIDES[kind]
    matrix = getattr(relations, name)
    side = matrix[reference] if from_reference else matrix[:, reference]
    # What stands on the sofa is not left of the sofa, wherever it stands.
    return np.where(relations.stacked[reference], -CLEAR, side)


_SIDES = {
    "what_is_left_of": ("left_of", False),
    "what_is_right_of": ("left_of", True),
    "what_is_in_front_of": ("in_front_of", False),
    "what_is_behind": ("in_front_of", True),
}
"""Kind -> score of the thing in relation to the reference, or of the reference in relation to the thing."""


def _preference(
    relations: Relations, kind: str, reference: int | None
) -> tuple[FloatArray, Callable[[float, float], float]]:
    """(N,) key of which the smallest wins, and by how much it must win over a rival's."""
    t = relations.thresholds
    if kind in ("what_is_on", "what_is_under", "standing_on", "largest_thing"):
        return relations.smallness, lambda best, rival: math.log(t.volume_ratio)
    if kind == "tallest_thing":
        return -np.log(relations.height), lambda best, rival: math.log(t.height_ratio)
    if kind in ("nearest_to_me", "farthest_thing"):
        sign = 1.0 if kind == "nearest_to_me" else -1.0
        return sign * relations.distance, lambda best, rival: max(
            t.nearer_distance, t.nearer_distance_share * abs(best + rival) / 2
        )
    # A thing's own name is asked for: of several things to the left the one next to it is meant.
    return relations.gap[:, reference], lambda best, rival: max(t.closer_gap, t.closer_gap_share * (best + rival) / 2)
