"""The measures by which one thing stands out among others, and by how much it must."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from distill3d_ros.questions.relations import Relations
from distill3d_ros.questions.thresholds import Thresholds
from distill3d_ros.scene.frame import FloatArray


@dataclass(frozen=True, slots=True)
class Superlative:
    """One way of standing out."""

    measure: Callable[[Relations, int | None], FloatArray]
    """(N,) of which the least wins; given the index of the thing that others are measured from, if there is one."""
    margin: Callable[[Thresholds, float, float], float]
    """By how much the first of two measures must be less than the second, for a person to see it."""


def _metres(t: Thresholds, a: float, b: float) -> float:
    return max(t.nearer_distance, t.nearer_distance_share * abs(a + b) / 2)


def _gaps(t: Thresholds, a: float, b: float) -> float:
    return max(t.closer_gap, t.closer_gap_share * abs(a + b) / 2)


SUPERLATIVES: dict[str, Superlative] = {
    "nearest": Superlative(lambda r, _: r.distance, _metres),
    "farthest": Superlative(lambda r, _: -r.distance, _metres),
    "leftmost": Superlative(lambda r, _: r.bearing, lambda t, a, b: t.side_bearing),
    "rightmost": Superlative(lambda r, _: -r.bearing, lambda t, a, b: t.side_bearing),
    "largest": Superlative(lambda r, _: r.smallness, lambda t, a, b: math.log(t.volume_ratio)),
    "smallest": Superlative(lambda r, _: -r.smallness, lambda t, a, b: math.log(t.volume_ratio)),
    "tallest": Superlative(lambda r, _: -np.log(r.height), lambda t, a, b: math.log(t.height_ratio)),
    "shortest": Superlative(lambda r, _: np.log(r.height), lambda t, a, b: math.log(t.height_ratio)),
    "nearest_to": Superlative(lambda r, at: r.gap[:, at], _gaps),
    "farthest_from": Superlative(lambda r, at: -r.gap[:, at], _gaps),
}
