"""Overlap of rectangles, and the choice of one where several mark the same thing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray

SAME_CLASS, ANY_CLASS = 0.5, 0.85
"""Intersection over union from which the worse of two rectangles repeats the better one: of one class, and of two."""


def rectangle_iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """(N, M) intersection over union of rectangles (N, 4) and (M, 4), each left, top, right, bottom."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    areas = [np.clip(r[:, 2:] - r[:, :2], 0, None).prod(-1) for r in (a, b)]
    return common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-12)


def suppressed(rectangles: FloatArray, class_probs: FloatArray) -> NDArray[np.int64]:
    """Numbers of the rectangles that repeat no better one, best first.

    Args:
        rectangles: (N, 4).
        class_probs: (N, C); a rectangle's class is the likeliest, its score that probability.
    """
    if not len(rectangles):
        return np.zeros(0, np.int64)
    score, label = class_probs.max(1), class_probs.argmax(1)
    order = np.argsort(-score, kind="stable")
    overlap = rectangle_iou(rectangles, rectangles)
    kept: list[int] = []
    for i in order.tolist():
        limit = np.where(label[kept] == label[i], SAME_CLASS, ANY_CLASS)
        if not (overlap[i, kept] > limit).any():
            kept.append(i)
    return np.array(kept, np.int64)
