"""Predicted things against marked ones: rectangles of the projected boxes, and names near the visible surface."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.geometry import box_nearest_point
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.training.evaluation.metrics import MIN_VISIBLE_PIXELS, average_precision
from distill3d_ros.training.evaluation.real.marked_predictions import (
    MarkedPrediction,
    marked_predictions,
    rectangle_iou,
)

IOU = 0.5
"""Of the projected box and the mask's rectangle, from which a thing is found."""
NEAR_M = 0.5
"""Metres between a predicted centre and the box of the visible surface up to which it stands there."""
MIN_SHARE = MIN_VISIBLE_PIXELS / 224**2
"""Share of the picture that a marked thing must show to be a miss when it is not found."""


@dataclass(slots=True)
class MarkedThings:
    """Running tallies over frames.

    Classes are those that both the annotation marks and the student knows. A predicted armchair counts as the chair as
    which it would have been marked; a prediction of a class that is not marked, or that meets nothing on unknown
    pixels, counts as neither hit nor false alarm, as does one on a thing that shows too little of itself.
    """

    known: Collection[str]
    """Classes of the student."""
    iou: float = IOU
    """Overlap of rectangles from which a thing is found."""
    detections: dict[str, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))
    """Class -> (score, hit) of every judged prediction."""
    things: Counter[str] = field(default_factory=Counter)
    """Class -> marked things."""
    frames: Counter[str] = field(default_factory=Counter)
    """Class -> frames in which one is marked."""
    named: int = 0
    """Shown predictions that were judged."""
    named_right: int = 0
    seen: int = 0
    """Marked things that should be shown."""
    seen_right: int = 0

    def add(self, found: Scene, true: Scene, ids: NDArray[np.uint16], *, shown: Collection[int]) -> None:
        """One frame.

        Args:
            found: with all predicted boxes, each with its ``image_box``.
            shown: ids of those that the student shows at its default.
        """
        least = MIN_SHARE * ids.size
        truth = [o for o in true.objects if o.label in self.known and o.image_box is not None]
        for label in {o.label for o in truth if _counts(o, least)}:
            self.frames[label] += 1
        self.things.update(o.label for o in truth if _counts(o, least))
        predictions = marked_predictions(found.objects, true.annotation, ids)
        for label in {label for p in predictions for label in p.scores}:
            self._rectangles(label, predictions, [o for o in truth if o.label == label], least)
        visible = tuple(o for o in found.objects if o.id in shown)
        self._names(marked_predictions(visible, true.annotation, ids), truth, least)

    def _rectangles(
        self, label: str, predictions: list[MarkedPrediction], truth: list[SceneObject], least: float
    ) -> None:
        free = {o.id: o for o in truth}
        for p in sorted((p for p in predictions if label in p.scores), key=lambda p: -p.scores[label][0]):
            score, judged = p.scores[label]
            over = {i: rectangle_iou(p.rectangle, o.image_box) for i, o in free.items() if o.image_box is not None}
            fitting = [i for i, value in over.items() if value >= self.iou]
            counting = [i for i in fitting if _counts(free[i], least)]
            if (fitting or not judged) and not counting:
                continue
            self.detections[label].append((score, bool(counting)))
            if counting:
                del free[max(counting, key=over.__getitem__)]

    def _names(self, predictions: list[MarkedPrediction], truth: list[SceneObject], least: float) -> None:
        free = {o.id: o for o in truth}
        self.seen += sum(_counts(o, least) for o in truth)
        for p in sorted((p for p in predictions if p.own), key=lambda p: -p.score):
            away = {
                i: float(np.linalg.norm(box_nearest_point(o.box, p.box.center) - p.box.center))
                for i, o in free.items()
                if o.label in p.own
            }
            near = [i for i, metres in away.items() if metres <= NEAR_M]
            counting = [i for i in near if _counts(free[i], least)]
            if (near or not any(p.scores[name][1] for name in p.own)) and not counting:
                continue
            self.named += 1
            if counting:
                del free[min(counting, key=away.__getitem__)]
                self.named_right += 1
                self.seen_right += 1

    def figures(self) -> dict[str, Any]:
        """``map50``: the mean over the classes with marked things; NaN without any."""
        classes = {}
        for label in sorted(self.things, key=lambda name: -self.things[name]):
            hits = [hit for _, hit in sorted(self.detections[label], key=lambda row: -row[0])]
            classes[label] = {
                "objects": self.things[label],
                "frames": self.frames[label],
                "ap50": average_precision(hits, self.things[label]),
            }
        values = [row["ap50"] for row in classes.values()]
        return {
            "map50": float(np.mean(values)) if values else float("nan"),
            "names": {
                "precision": self.named_right / self.named if self.named else float("nan"),
                "recall": self.seen_right / self.seen if self.seen else float("nan"),
                "shown": self.named,
                "marked": self.seen,
            },
            "classes": classes,
        }


def _counts(o: SceneObject, least: float) -> bool:
    return o.visible_pixels is None or o.visible_pixels >= least
