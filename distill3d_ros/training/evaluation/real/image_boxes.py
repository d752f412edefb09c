"""Average precision of 3D boxes in the picture: their projections against the rectangles of what is visible.

For frames whose boxes are not known as a whole. What an annotation leaves open is neither a hit nor a false alarm.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.evaluation.metrics import MIN_VISIBLE_PIXELS, average_precision

Rectangle = tuple[float, float, float, float]
_NOWHERE: Rectangle = (0.0, 0.0, 0.0, 0.0)
MOSTLY_UNKNOWN = 0.5
"""Share of a rectangle's pixels of which nobody said what they show, from which on a detection there is not judged."""


def image_box_precision(
    predicted: Sequence[Scene],
    true: Sequence[Scene],
    ids: Sequence[NDArray[np.uint16]],
    labels: Sequence[str],
    *,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Average precision by class, of the classes that both know and that have true objects.

    A detection counts once for each class that it may be, with the best score of those that were marked as that class:
    where armchairs are marked as chairs, an armchair is a chair. Best score first, each takes the free true object of
    its class and frame with the highest IoU of rectangles.

    Args:
        predicted: objects with the rectangle of their projection, of which the part inside the picture counts.
        ids: (H, W) id images of the true scenes.
        labels: of the student.
    """
    n_true: dict[str, int] = defaultdict(int)
    rows: dict[str, list[_Row]] = defaultdict(list)
    for index, (found, truth, image) in enumerate(zip(predicted, true, ids, strict=True)):
        least = MIN_VISIBLE_PIXELS * image.size / (224 * 224)
        targets = [o for o in truth.objects if o.label in labels and o.image_box is not None]
        for o in targets:
            n_true[o.label] += _is_wanted(o, least)
        for detection in found.objects:
            if detection.image_box is None:
                continue
            names = marked_scores(detection.label_scores or {detection.label: detection.score}, truth.annotation)
            unknown = _share_unknown(image, detection.image_box) > MOSTLY_UNKNOWN
            overlaps = [(rectangle_iou(detection.image_box, o.image_box or _NOWHERE), o) for o in targets]
            for label, (score, certain) in names.items():
                alike = [(iou, o.id, _is_wanted(o, least)) for iou, o in overlaps if o.label == label]
                rows[label].append(
                    _Row(score, index, tuple(a for a in alike if a[0] >= threshold), certain and not unknown)
                )
    return {label: average_precision(_hits(rows[label]), count) for label, count in sorted(n_true.items()) if count}


@dataclass(frozen=True, slots=True)
class _Row:
    """A detection as a thing of one class."""

    score: float
    scene: int
    over: tuple[tuple[float, int, bool], ...]
    """True objects that it lies on: overlap, id, and whether the object is asked for."""
    judged: bool
    """Whether it is a false alarm if it lies on none."""


def _hits(rows: Sequence[_Row]) -> list[bool]:
    """Whether each detection is a hit, best score first, without those that are neither hits nor false alarms."""
    taken: set[tuple[int, int]] = set()
    hits: list[bool] = []
    for row in sorted(rows, key=lambda r: -r.score):
        free = [o for o in row.over if (row.scene, o[1]) not in taken]
        wanted = [o for o in free if o[2]]
        if wanted:
            taken.add((row.scene, max(wanted)[1]))
            hits.append(True)
        elif not free and (row.judged or row.over):
            hits.append(False)
    return hits


def _is_wanted(o: SceneObject, least: float) -> bool:
    """Whether an object shows enough of itself to be asked for."""
    return o.visible_pixels is None or o.visible_pixels >= least


def _share_unknown(ids: NDArray[np.uint16], rectangle: Rectangle) -> float:
    """Share of a rectangle's pixels that are unknown."""
    left, top, right, bottom = (max(0, round(edge + 0.5)) for edge in rectangle)
    inside = ids[top : max(bottom, top + 1), left : max(right, left + 1)]
    return float((inside == UNKNOWN_ID).mean()) if inside.size else 0.0


def mean_precision(precision: Mapping[str, float]) -> float:
    """Mean over the classes; NaN without any."""
    return float(np.mean(list(precision.values()))) if precision else math.nan


def marked_scores(scores: Mapping[str, float], annotation: Annotation) -> dict[str, tuple[float, bool]]:
    """The best score of what may have been marked as each class that the annotation tells of.

    The second entry is false where it may as well have been marked as another class, as an armchair that was marked
    as a chair or as a sofa.
    """
    found: dict[str, tuple[float, bool]] = {}
    for label, score in scores.items():
        marked = {label} if annotation.classes is None or label in annotation.classes else set()
        marked = marked or {coarser for coarser, finer in annotation.covers.items() if label in finer}
        for name in marked:
            if annotation.tells_of(name):
                found[name] = max(found.get(name, (0.0, False)), (float(score), len(marked) == 1))
    return found


def rectangle_iou(a: Rectangle, b: Rectangle) -> float:
    """Overlap of two rectangles (left, top, right, bottom edges) over their union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((r[2] - r[0]) * (r[3] - r[1]) for r in (a, b))
    return width * height / (areas - width * height)
