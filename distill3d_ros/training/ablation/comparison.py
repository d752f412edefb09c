"""Paired comparison of evaluations with the same questions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from distill3d_ros.training.ablation.statistics import BETTER, UNDECIDED, WORSE, bootstrap_interval
from distill3d_ros.training.evaluation.report import SPLIT_NAMES


def side_by_side_lines(evaluated: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table of every two evaluations (their names and ``report.json``) with the same questions; none, no lines.

    The interval of a difference is the 95 % bootstrap over frames: with one training run of each student it does
    not cover the variation between trainings.
    """
    rows = []
    for (one, a), (other, b) in combinations(evaluated.items(), 2):
        if who(a) != who(b) and asked_the_same(a, b):
            rows += [f"| {cells} |" for cells in _differences(one, a, other, b)]
    if not rows:
        return []
    return [
        "| second against first | | questions | first | second | difference | second is |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        "Question by question; in brackets: 95 % bootstrap over frames. Each student was trained once, so this does "
        "not say how another training of either would end.",
    ]


def who(report: Mapping[str, Any]) -> tuple[str, bool]:
    """The model that a report is about, and whether it had the height of the camera."""
    return report["model_sha256"], bool(report.get("camera_height"))


def asked_the_same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two reports are about the same questions."""
    if (a["manifest_sha256"], a["seed"], a["questions"]) != (b["manifest_sha256"], b["seed"], b["questions"]):
        return False
    first, second = _counts(a), _counts(b)
    return bool(first) and first == second


def _counts(report: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Split -> frame -> number of questions; empty for a report without outcomes by question."""
    parts = report["splits"]
    if not all(part.get("outcomes") for part in parts.values()):
        return {}
    return {split: {key: len(right) for key, right in part["outcomes"].items()} for split, part in parts.items()}


def _differences(one: str, a: Mapping[str, Any], other: str, b: Mapping[str, Any]) -> list[str]:
    title, cells = f"{other} against {one}", []
    splits = list(a["splits"])
    for name, of in [*((SPLIT_NAMES.get(s, s), [s]) for s in splits), *([("**all**", splits)] if splits[1:] else [])]:
        first, second = (
            np.array([float(c) for s in of for right in r["splits"][s]["outcomes"].values() for c in right])
            for r in (a, b)
        )
        sizes = [len(right) for s in of for right in a["splits"][s]["outcomes"].values()]
        low, high = bootstrap_interval(second - first, np.repeat(np.arange(len(sizes)), sizes))
        verdict = BETTER if low > 0 else WORSE if high < 0 else UNDECIDED
        cells.append(
            f"{title} | {name} | {len(first)} | {first.mean():.3f} | {second.mean():.3f} | "
            f"{second.mean() - first.mean():+.3f} [{low:+.3f}, {high:+.3f}] | {verdict}"
        )
        title = ""
    return cells
