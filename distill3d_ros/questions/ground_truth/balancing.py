"""Balanced selection of questions: who sees only the names must not know the answer.

Within a group (one kind of question about the same names) yes and no, or the two choices, come equally often; of open
answers the commonest is cut to the second. Questions about absent things are held to a small share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.kinds import KINDS

ABSENT_SHARE = 0.06
"""Share of the questions about something that is not there."""

Key = TypeVar("Key")
Indexed = tuple[Key, GroundTruthQA]


def balanced(
    indexed_facts: Sequence[Indexed[Key]], rng: np.random.Generator, limit: int | None = None
) -> list[Indexed[Key]]:
    """A balanced selection of (key of the sample, fact) over a whole data set, in random order.

    ``limit``: at most so many, spread evenly over the families and over the kinds within a family; None keeps all
    that balances. Deterministic for a given generator and order of the facts.
    """
    groups: dict[str, list[Indexed[Key]]] = defaultdict(list)
    absent: list[Indexed[Key]] = []
    for item in indexed_facts:
        (absent if is_absent(item[1]) else groups[item[1].group]).append(item)
    units: dict[str, list[list[Indexed[Key]]]] = defaultdict(list)
    for items in groups.values():
        units[items[0][1].kind] += _balanced_group(items, rng)
    present = limit if limit is None else limit - round(limit * ABSENT_SHARE)
    chosen = _spread(units, present, rng)
    wanted = round(len(chosen) * ABSENT_SHARE / (1 - ABSENT_SHARE))
    unseen: dict[str, list[list[Indexed[Key]]]] = defaultdict(list)
    for item in absent:
        unseen[item[1].kind].append([item])
    chosen += _spread(unseen, wanted, rng)
    return [chosen[i] for i in rng.permutation(len(chosen))]


def is_absent(fact: GroundTruthQA) -> bool:
    """Whether the fact is about something that is not there."""
    return fact.answer.value is None


def answer_class(fact: GroundTruthQA) -> Hashable:
    """The class of an answer for balancing: the answer, for metres a band of a quarter up and down."""
    value = fact.answer.value
    if KINDS[fact.kind].form == "metric" and isinstance(value, (int, float)):
        return int(np.floor(np.log(max(float(value), 0.05)) / np.log(1.6)))
    return value


def _balanced_group(items: list[Indexed[Key]], rng: np.random.Generator) -> list[list[Indexed[Key]]]:
    """Units that may be kept or dropped whole without tipping the balance."""
    by_answer: dict[Hashable, list[Indexed[Key]]] = defaultdict(list)
    for i in rng.permutation(len(items)):
        by_answer[answer_class(items[i][1])].append(items[i])
    form = KINDS[items[0][1].kind].form
    if form in ("yes_no", "choice"):
        if len(by_answer) < 2:
            return []
        first, second = (by_answer[key] for key in sorted(by_answer, key=str))
        units = [list(both) for both in zip(first, second, strict=False)]
        if form == "choice":
            start = int(rng.integers(2))
            units = [[_in_order(item, swap=(n + start) % 2 == 1) for item in unit] for n, unit in enumerate(units)]
        return units
    sizes = sorted((len(v) for v in by_answer.values()), reverse=True)
    cap = sizes[1] if len(sizes) > 1 else 1
    return [[item] for members in by_answer.values() for item in members[:cap]]


def _in_order(item: Indexed[Key], *, swap: bool) -> Indexed[Key]:
    """The alternatives of a choice in alphabetical order, or in the opposite."""
    key, fact = item
    a, b = fact.labels[-2:]
    if (a > b) == swap:
        return item
    ids = fact.object_ids
    return key, replace(fact, labels=(*fact.labels[:-2], b, a), object_ids=(*ids[:-2], ids[-1], ids[-2]))


def _spread(
    units: dict[str, list[list[Indexed[Key]]]], limit: int | None, rng: np.random.Generator
) -> list[Indexed[Key]]:
    """Units up to ``limit`` facts, evenly over the families, then over the kinds; who has few gives room to others."""
    available = {kind: sum(map(len, units[kind])) for kind in KINDS if units.get(kind)}
    families: dict[str, dict[str, int]] = defaultdict(dict)
    for kind, number in available.items():
        families[KINDS[kind].family][kind] = number
    quota: dict[str, float] = dict(available)
    if limit is not None:
        per_family = _water_fill({f: sum(kinds.values()) for f, kinds in families.items()}, limit)
        for family, kinds in families.items():
            quota.update(_water_fill(kinds, per_family[family]))
    chosen: list[Indexed[Key]] = []
    spare = 0.0  # what a kind leaves for lack of a unit that fits goes to the next
    for kind in available:
        spare += quota[kind]
        for i in rng.permutation(len(units[kind])):
            unit = units[kind][i]
            if len(unit) > spare + 1e-6:
                break
            chosen += unit
            spare -= len(unit)
    return chosen


def _water_fill(available: dict[str, int], total: float) -> dict[str, float]:
    """Shares ``total`` out evenly; nobody gets more than is available."""
    shares: dict[str, float] = {}
    left = float(total)
    for n, (name, number) in enumerate(sorted(available.items(), key=lambda item: (item[1], item[0]))):
        shares[name] = min(float(number), left / (len(available) - n))
        left -= shares[name]
    return shares
