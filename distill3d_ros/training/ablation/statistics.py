"""Confidence intervals of means over seeds and over questions, and the verdicts from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DRAWS = 4000
BETTER, WORSE, UNDECIDED, ONE_SEED = "better", "worse", "not told apart", "one seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with two 95 % intervals."""

    mean: float
    by_seed: tuple[float, ...]
    over_seeds: tuple[float, float] | None
    """Student's t over the seeds, the questions being these; None for one seed."""
    over_questions: tuple[float, float]
    """Bootstrap over the frames with their questions, the seeds being these."""

    @property
    def verdict(self) -> str:
        """For a difference: it counts when both intervals exclude 0 on the same side."""
        if self.over_seeds is None:
            return ONE_SEED
        if self.over_seeds[0] > 0 and self.over_questions[0] > 0:
            return BETTER
        if self.over_seeds[1] < 0 and self.over_questions[1] < 0:
            return WORSE
        return UNDECIDED

    def to_dict(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "by_seed": list(self.by_seed),
            "over_seeds": None if self.over_seeds is None else list(self.over_seeds),
            "over_questions": list(self.over_questions),
        }


def estimate(values: NDArray[np.floating], groups: NDArray[np.integer], *, seed: int = 0) -> Estimate:
    """The mean of ``values`` (seeds, questions) with its intervals.

    Args:
        groups: (questions,) the frame of each question; questions about one frame are drawn together, since they are
            right or wrong together.
        seed: of the bootstrap.
    """
    if values.ndim != 2 or not values.size or values.shape[1:] != groups.shape:
        raise ValueError(
            f"values must be (seeds, questions) with a group a question. Got {values.shape}, {groups.shape}"
        )
    by_seed = values.mean(1)
    return Estimate(
        mean=float(by_seed.mean()),
        by_seed=tuple(by_seed.tolist()),
        over_seeds=t_interval(by_seed.tolist()),
        over_questions=bootstrap_interval(values.mean(0), groups, seed=seed),
    )


def t_interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float] | None:
    """Student's interval of a mean, ``m -+ t(n - 1) s / sqrt(n)``; None for fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    middle, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * spread / math.sqrt(n)
    return middle - half, middle + half


def bootstrap_interval(
    values: NDArray[np.floating],
    groups: NDArray[np.integer],
    *,
    seed: int = 0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """Percentile interval of the mean of ``values`` (N,) when whole groups are drawn with replacement (Efron, 1979)."""
    _, index = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(index, weights=values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(draws, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
