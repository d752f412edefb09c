"""Fits of thresholds and confidences: few parameters, each drawn to a default that its data must outweigh."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from distill3d_ros.engine.calibration import logit, sigmoid

Detections = Sequence[tuple[float, bool]]
"""(score, whether it is a hit) of the judged predictions of a class."""

THRESHOLD_PRIOR = 20.0
"""So many marked things of a class weigh as much as the threshold of all classes together."""
CONFIDENCE_PRIOR = 20.0
"""So many answers weigh as much as the confidence that the student gives itself."""
LOWEST, HIGHEST = 0.02, 0.95
LEAST_COVERAGE = 0.8
"""Share of the answers that are given at least."""


def best_threshold(detections: Detections, things: int) -> float:
    """Score with the best F1; ``HIGHEST`` where nothing is ever found.

    Args:
        things: marked things that could be found.
    """
    if not detections or not any(hit for _, hit in detections):
        return HIGHEST
    ranked = sorted(detections, key=lambda row: -row[0])
    hits = np.cumsum([hit for _, hit in ranked])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + max(1, things))
    best = int(np.argmax(f1))
    following = ranked[best + 1][0] if best + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[best][0] + following) / 2, LOWEST, HIGHEST))


def class_thresholds(detections: Mapping[str, Detections], things: Mapping[str, int]) -> dict[str, float]:
    """Class -> threshold: its own best F1, drawn to that of all classes as far as its things are few.

    The mean is taken over logits. A class with no thing at all keeps the threshold of all.
    """
    pooled = [row for rows in detections.values() for row in rows]
    if not any(hit for _, hit in pooled):
        return {}
    general = _logit(best_threshold(pooled, sum(things.values())))
    found = {}
    for label in sorted({*detections, *things}):
        n = things.get(label, 0)
        own = _logit(best_threshold(detections.get(label, ()), n))
        found[label] = float(sigmoid(np.array((n * own + THRESHOLD_PRIOR * general) / (n + THRESHOLD_PRIOR))))
    return found


def fit_confidence(
    confidence: Sequence[float], right: Sequence[bool], weights: Sequence[float] | None = None
) -> tuple[float, float]:
    """Slope and offset of the logit (Platt, 1999) by penalized maximum likelihood, with Newton's method.

    Args:
        weights: of each answer; scaled so that they sum up to their number. None: all alike.

    Returns:
        the slope, at least 0, and the offset; (1, 0) without answers.
    """
    n = len(confidence)
    if n == 0:
        return 1.0, 0.0
    x = np.stack([logit(np.asarray(confidence, float)), np.ones(n)], 1)
    y = np.asarray(right, float)
    w = np.ones(n) if weights is None else np.asarray(weights, float) * n / np.sum(weights)
    start = np.array([1.0, 0.0])
    prior = np.diag([CONFIDENCE_PRIOR / 4, CONFIDENCE_PRIOR / 8])

    def loss(b: np.ndarray) -> float:
        z = x @ b
        return float((w * (np.logaddexp(0, z) - y * z)).sum() + (b - start) @ prior @ (b - start) / 2)

    beta = start.copy()
    for _ in range(50):
        p = sigmoid(x @ beta)
        gradient = x.T @ (w * (p - y)) + prior @ (beta - start)
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x + prior
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > loss(beta) and size > 1e-6:
            size /= 2
        beta = beta - size * step
        if np.abs(step).max() < 1e-8:
            break
    if beta[0] < 0:  # surer answers would be right less often: what is left is how often answers are right
        rate = float(np.clip((w * y).sum() / w.sum(), 0.02, 0.98))
        return 0.0, _logit(rate)
    return float(beta[0]), float(beta[1])


def least_confidence(confidence: Sequence[float], right: Sequence[bool], weights: Sequence[float]) -> float:
    """The confidence from which right answers outweigh wrong ones most, while ``LEAST_COVERAGE`` of them are given."""
    if not confidence:
        return 0.0
    c, r, w = (np.asarray(v, float) for v in (confidence, right, weights))
    order = np.argsort(c, kind="stable")
    withheld = np.cumsum((w * (1 - 2 * r))[order])  # what is gained by withholding the least sure ones
    parts = np.append(np.diff(c[order]) > 0, False)  # equally sure ones are all withheld or all given
    allowed = parts & (np.cumsum(w[order]) <= (1 - LEAST_COVERAGE) * w.sum() + 1e-12)
    gain = np.where(allowed, withheld, -np.inf)
    if not allowed.any() or gain.max() <= 0:
        return 0.0
    last = int(np.argmax(gain))
    return float((c[order][last] + c[order][min(last + 1, len(c) - 1)]) / 2)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))
