"""Predicted objects as an annotation names them, without those of which it says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.objects import Box3D, SceneObject
from distill3d_ros.training.data.sample import UNKNOWN_ID

Rectangle = tuple[float, float, float, float]
UNKNOWN_SHARE = 0.5
"""Share of unknown pixels in a predicted rectangle from which the prediction is neither right nor wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedPrediction:
    """A predicted object under the names that the annotation has for it."""

    scores: dict[str, tuple[float, bool]]
    """Marked class -> score, of the finer classes that it covers the surest; and whether it is wrong if nothing of the
    class is there. It is not where the thing may as well have been marked as another class, as an armchair that was
    marked as a chair or as a sofa, nor where nobody said what most of its pixels show."""
    score: float
    box: Box3D
    rectangle: Rectangle
    own: tuple[str, ...]
    """The marked classes that its own label may stand for; none where that is not marked."""


def marked_predictions(
    objects: Sequence[SceneObject], annotation: Annotation, ids: NDArray[np.uint16]
) -> list[MarkedPrediction]:
    """The predictions that are in sight and perhaps of a marked class."""
    found = []
    for o in objects:
        if o.image_box is None:
            continue
        unknown = unknown_share(ids, o.image_box) > UNKNOWN_SHARE
        scores: dict[str, tuple[float, bool]] = {}
        for label, score in (o.label_scores or {o.label: o.score}).items():
            marked = _marked_as(label, annotation)
            for name in marked:
                scores[name] = max(scores.get(name, (0.0, False)), (float(score), len(marked) == 1 and not unknown))
        if scores:
            own = _marked_as(o.label, annotation)
            found.append(MarkedPrediction(scores=scores, score=o.score, box=o.box, rectangle=o.image_box, own=own))
    return found


def _marked_as(label: str, annotation: Annotation) -> tuple[str, ...]:
    """The classes as which a thing may have been marked: its own, or else the coarser ones that cover it."""
    if annotation.classes is None or label in annotation.classes:
        marked: tuple[str, ...] = (label,)
    else:
        marked = tuple(coarser for coarser, finer in annotation.covers.items() if label in finer)
    return tuple(name for name in marked if annotation.tells_of(name))


def unknown_share(ids: NDArray[np.uint16], rectangle: Rectangle) -> float:
    """Share of a rectangle's pixels of which nobody said what they show."""
    height, width = ids.shape
    left, top = (max(0, int(np.floor(v + 0.5))) for v in rectangle[:2])
    right, bottom = min(width, int(np.ceil(rectangle[2] + 0.5))), min(height, int(np.ceil(rectangle[3] + 0.5)))
    inside = ids[top:bottom, left:right]
    return float((inside == UNKNOWN_ID).mean()) if inside.size else 1.0


def rectangle_iou(a: Rectangle, b: Rectangle) -> float:
    """Intersection over union of two rectangles (left, top, right, bottom)."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((r[2] - r[0]) * (r[3] - r[1]) for r in (a, b))
    return width * height / (areas - width * height)
