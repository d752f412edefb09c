"""Calibration of a student's confidence, and accuracy when it keeps back what it is least sure of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from distill3d_ros.training.evaluation.metrics import wilson_interval

COVERAGES = (1.0, 0.9, 0.75, 0.5)
"""Shares of the questions that are answered; the others, of which the student is least sure, are not."""


def calibration(confidence: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> dict[str, float]:
    """Expected calibration error (Guo et al., 2017), and the accuracy of the surer half of the answers."""
    if not confidence:
        return {}
    c, r = np.asarray(confidence), np.asarray(right, float)
    which = np.minimum((c * bins).astype(int), bins - 1)
    gaps = [abs(c[which == b].mean() - r[which == b].mean()) * (which == b).mean() for b in np.unique(which)]
    return {"ece": float(np.sum(gaps)), "accuracy_of_surer_half": float(_surest(c, r, 0.5).mean())}


def abstention(confidence: Sequence[float], right: Sequence[bool]) -> list[dict[str, Any]]:
    """Accuracy when the least confident answers are kept back (the risk-coverage curve of El-Yaniv and Wiener, 2010).

    Returns:
        For each of ``COVERAGES``: ``coverage``, the ``n`` answers that are given, their ``accuracy`` and its Wilson
        ``interval``, and the confidence of the least sure of them (``threshold``). Empty without any answer.
    """
    if not confidence:
        return []
    c, r = np.asarray(confidence), np.asarray(right, float)
    rows = []
    for coverage in COVERAGES:
        kept = _surest(c, r, coverage)
        hits, n = int(kept.sum()), len(kept)
        rows.append(
            {
                "coverage": coverage,
                "n": n,
                "accuracy": hits / n,
                "interval": list(wilson_interval(hits, n)),
                "threshold": float(np.sort(c)[::-1][n - 1]),
            }
        )
    return rows


def abstention_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """For the report."""
    lines = [
        "Accuracy when the questions of which the student is least sure go unanswered:",
        "",
        "| answered | n | accuracy | confidence at least |",
        "|---|---|---|---|",
    ]
    for row in rows:
        low, high = row["interval"]
        lines.append(
            f"| {row['coverage']:.0%} | {row['n']} | {row['accuracy']:.3f} [{low:.3f}, {high:.3f}] | "
            f"{row['threshold']:.2f} |"
        )
    return lines


def _surest(confidence: np.ndarray, right: np.ndarray, share: float) -> np.ndarray:
    """``right`` of that share of the answers, at least one; of equally sure ones the first."""
    order = np.argsort(-confidence, kind="stable")
    return np.asarray(right[order[: max(1, int(share * len(order)))]])
