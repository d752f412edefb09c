"""Confidence interval of a ratio of two accuracies, for questions that come in groups about one picture."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np

DRAWS = 2000


def ratio_interval(
    numerator: Sequence[bool], denominator: Sequence[bool], groups: Sequence[Hashable], *, seed: int, draws: int = DRAWS
) -> tuple[float, float]:
    """95 % interval of ``sum(numerator) / sum(denominator)`` by the paired bootstrap over groups.

    Whole groups (the frames that the questions are about) are drawn with replacement, and both sums are taken over the
    same draw: the percentile bootstrap (Efron and Tibshirani, 1993) of a cluster sample (Field and Welsh, 2007). Draws
    in which the denominator is 0 say nothing and are left out; NaN where all do.

    Args:
        numerator, denominator: what was counted, an entry a question.
        groups: the group of each question.
    """
    if not len(numerator) == len(denominator) == len(groups):
        raise ValueError(
            "ratio_interval needs one group and one pair of results for each question. Got "
            f"{len(numerator)} and {len(denominator)} results, {len(groups)} groups"
        )
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    if not names:
        return math.nan, math.nan
    which = [names[g] for g in groups]
    above, below = (np.bincount(which, np.asarray(x, float), len(names)) for x in (numerator, denominator))
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    sums = counts @ np.stack([above, below], 1)  # (draws, 2)
    sums = sums[sums[:, 1] > 0]
    if not len(sums):
        return math.nan, math.nan
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    return float(low), float(high)
