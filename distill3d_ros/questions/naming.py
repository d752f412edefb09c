"""The thing that answers "what is on / left of / nearest to ...?"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from distill3d_ros.questions.answer_text import NOTHING
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.relations import CLEAR, DECIDED, Relations
from distill3d_ros.questions.superlatives import SUPERLATIVES


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


Contest = tuple[list[int], list[float], list[float], list[float], Callable[[float, float], float]]


def clear_name(relations: Relations, kind: str, reference: int | None, clear: np.ndarray) -> Named | None:
    """The answer to a naming question about the object with index ``reference`` (None for kinds without a slot).

    None where it is not clear: two things compete, or a thing in a margin band might be the answer. ``clear``: (N,)
    which objects show enough of themselves to be an answer.
    """
    contest = _contest(relations, kind, reference)
    return _clear_winner(relations, *contest, clear, several_right=KINDS[kind].several_right)


def best_name(relations: Relations, kind: str, reference: int | None) -> Named:
    """The best guess at the same; its score is below 1 where a margin is not kept."""
    others, fits, key, _, margin = _contest(relations, kind, reference)
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
    least: list[float],
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
        if _label(relations, i) != label and least[i] < key[best] + margin(key[best], least[i]):
            return None
    accepted = sorted({_label(relations, i) for i in certain} - {label}) if several_right else ()
    return Named(label, (relations.objects[best].id,), tuple(accepted))


def _contest(relations: Relations, kind: str, reference: int | None) -> Contest:
    """The candidates, the fit of each to the relation, and the preference among those that fit: what it is at the
    most, and at the least."""
    record = KINDS[kind]
    superlative = SUPERLATIVES[record.preference]
    others = [i for i in range(len(relations.objects)) if i != reference]
    if record.score is None:
        fits = np.full(len(relations.objects), CLEAR)
    else:
        fits = record.score(relations) if reference is None else record.score(relations, reference)

    def margin(best: float, rival: float) -> float:
        return superlative.margin(relations.thresholds, best, rival)

    least, most = relations.bounds(lambda r: superlative.measure(r, reference))
    return others, fits.tolist(), most.tolist(), least.tolist(), margin


def _label(relations: Relations, i: int) -> str:
    return relations.objects[i].label
