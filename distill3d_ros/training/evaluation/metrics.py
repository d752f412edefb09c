"""Metrics of depth and of 3D boxes, and intervals of proportions.

Nothing here knows the network; everything takes arrays and scenes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.geometry import box_iou
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

NEAR, FAR = 0.1, 10.0
"""Metres: true depth outside of this range is not scored."""
MIN_VISIBLE_PIXELS = 40
"""A true object that shows fewer pixels (of a 224 x 224 image) is neither a miss nor, when found, a false alarm."""


def wilson_interval(hits: int, n: int, *, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927); 95 % by default. (0, 1) without any trial."""
    if n < 0 or not 0 <= hits <= max(n, 0):
        raise ValueError(f"a proportion needs 0 <= hits <= n. Got hits {hits}, n {n}")
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    scale = 1 + z * z / n
    middle = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == n else middle + half


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthScore:
    """Depth errors of one image, or their mean over images."""

    absrel: float
    """mean |d - d*| / d*"""
    delta1: float
    """share of the pixels with max(d / d*, d* / d) < 1.25"""
    rmse: float
    """root of the mean squared error, metres"""

    def to_dict(self) -> dict[str, float]:
        return {"absrel": self.absrel, "delta1": self.delta1, "rmse": self.rmse}


def depth_score(predicted: FloatArray, true: FloatArray, *, median_scaled: bool = False) -> DepthScore | None:
    """Errors of one image over the pixels whose true depth lies in 0.1 to 10 m; None if it has none.

    The definitions are those of Eigen et al. (2014). ``median_scaled`` multiplies the prediction by
    median(true) / median(predicted) first, which forgives a wrong overall scale (Zhou et al., 2017).

    Args:
        predicted: (H, W) metres.
        true: (H, W) metres; NaN or 0 where unknown.
    """
    if predicted.shape != true.shape:
        raise ValueError(f"predicted and true depth must have one shape. Got {predicted.shape} and {true.shape}")
    valid = np.isfinite(true) & (true >= NEAR) & (true <= FAR)
    if not valid.any():
        return None
    d, t = predicted[valid].astype(np.float64), true[valid].astype(np.float64)
    d = np.where(np.isfinite(d) & (d > 1e-3), d, 1e-3)
    if median_scaled:
        d = d * (np.median(t) / np.median(d))
    return DepthScore(
        absrel=float(np.mean(np.abs(d - t) / t)),
        delta1=float(np.mean(np.maximum(d / t, t / d) < 1.25)),
        rmse=float(np.sqrt(np.mean((d - t) ** 2))),
    )


def mean_depth_score(scores: Iterable[DepthScore | None]) -> DepthScore | None:
    """The mean over images (every image counts the same); None without any."""
    kept = [s for s in scores if s is not None]
    if not kept:
        return None
    return DepthScore(
        absrel=float(np.mean([s.absrel for s in kept])),
        delta1=float(np.mean([s.delta1 for s in kept])),
        rmse=float(np.mean([s.rmse for s in kept])),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxScore:
    """3D detection over a data set."""

    average_precision: Mapping[float, Mapping[str, float]]
    """IoU threshold -> label -> AP; only labels that have at least one true object that counts."""
    n_true: Mapping[str, int]

    def mean(self, threshold: float) -> float:
        """mAP: the mean over the labels that have true objects; NaN without any."""
        values = list(self.average_precision[threshold].values())
        return float(np.mean(values)) if values else math.nan


def average_precision(hits: Sequence[bool], n_true: int) -> float:
    """Area under the precision-recall curve made monotonic (PASCAL VOC since 2010).

    Args:
        hits: whether each detection is a true positive, best score first.
        n_true: how many true objects there are.
    """
    if n_true <= 0:
        raise ValueError(f"average precision needs at least one true object. Got {n_true}")
    if not hits:
        return 0.0
    found = np.cumsum(hits)
    recall = found / n_true
    precision = found / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], recall]))
    return float(np.sum(steps * precision))


def box_score(
    predicted: Sequence[Scene],
    true: Sequence[Scene],
    *,
    thresholds: Sequence[float] = (0.25, 0.5),
    min_visible_pixels: int = MIN_VISIBLE_PIXELS,
) -> BoxScore:
    """Average precision of oriented 3D boxes in the level frame, per label.

    A detection counts once for each label in its ``label_scores``, with that score (as is usual on ScanNet since
    VoteNet). Best score first, each takes the free true object of its label and frame with the highest IoU; at or
    above the threshold it is a hit. Overlap with an object that shows too few pixels is neither hit nor false alarm.
    """
    if len(predicted) != len(true):
        raise ValueError(f"one predicted scene for each true one, please. Got {len(predicted)} and {len(true)}")
    n_true: dict[str, int] = {}
    for scene in true:
        for o in scene.objects:
            if _counts(o, min_visible_pixels):
                n_true[o.label] = n_true.get(o.label, 0) + 1
    candidates: dict[str, list[tuple[float, int, dict[int, float]]]] = {label: [] for label in n_true}
    for index, (found, truth) in enumerate(zip(predicted, true, strict=True)):
        for o in found.objects:
            for label, score in (o.label_scores or {o.label: o.score}).items():
                if label in candidates:
                    overlaps = {t.id: iou(o.box, t.box) for t in truth.objects if t.label == label}
                    candidates[label].append((float(score), index, overlaps))
    ap: dict[float, dict[str, float]] = {}
    for threshold in thresholds:
        ap[threshold] = {}
        for label, rows in candidates.items():
            hits = _hits(rows, true, threshold, min_visible_pixels)
            ap[threshold][label] = average_precision(hits, n_true[label])
    return BoxScore(average_precision=ap, n_true=n_true)


def iou(a: Box3D, b: Box3D) -> float:
    """``box_iou``, with the far pairs decided by their centres: that is nearly all of them."""
    reach = (np.linalg.norm(a.size) + np.linalg.norm(b.size)) / 2
    if np.linalg.norm(a.center - b.center) >= reach:
        return 0.0
    return float(box_iou(a, b))


def _counts(o: SceneObject, min_visible_pixels: int) -> bool:
    return o.visible_pixels is None or o.visible_pixels >= min_visible_pixels


def _hits(
    rows: list[tuple[float, int, dict[int, float]]], true: Sequence[Scene], threshold: float, min_visible_pixels: int
) -> list[bool]:
    taken: set[tuple[int, int]] = set()
    hits: list[bool] = []
    for _, index, overlaps in sorted(rows, key=lambda row: -row[0]):
        free = [(v, i) for i, v in overlaps.items() if v >= threshold and (index, i) not in taken]
        if not free:
            hits.append(False)
            continue
        counting = [(v, i) for v, i in free if _counts(true[index].by_id(i), min_visible_pixels)]
        if not counting:  # it lies on an object that shows too little of itself to be asked for
            continue
        best = max(counting)[1]
        taken.add((index, best))
        hits.append(True)
    return hits
