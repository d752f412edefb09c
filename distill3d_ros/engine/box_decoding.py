"""Decoding of the student's raw boxes into the objects of a scene: scores, duplicates, names, rectangles in the image.

The only decoder: what training and evaluation measure are the boxes that the robot publishes. Without torch.
Letters in shape comments: N boxes, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from distill3d_ros.questions.rules import MIN_SCORE
from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import box_iou, image_rectangle
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.student.arrays import to_numpy

if TYPE_CHECKING:
    from distill3d_ros.student.outputs import Perception

MIN_BOX_SCORE = 0.02
"""Lowest score at which a box is decoded at all: average precision, which ranks all boxes, is measured down to it."""
MIN_OBJECT_SCORE = 0.05
"""Lowest score of the objects in a scene that may be asked about. Above MIN_BOX_SCORE, since a fainter box that
overlaps an object would hand its label scores to it and so change the confidence of "I do not see ...". What is shown
needs a higher score still: ``filter_by_score``."""
SMALLEST_SIDE_M = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingConfig:
    """Thresholds for the objects of a perception."""

    min_score: float = MIN_OBJECT_SCORE
    """Boxes whose best label scores less are left out."""
    plausible_share: float = 0.1
    """Other labels of a box are kept if they reach this share of its best label's score."""
    duplicate_iou: float = 0.35
    """Of two boxes of the same name that overlap more than this, the better one stays."""
    twin_iou: float = 0.6
    """Of two boxes of any name that overlap more than this, the better one stays: it is one thing with two names."""

    def __post_init__(self) -> None:
        for name in ("min_score", "plausible_share", "duplicate_iou", "twin_iou"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"decoding.{name} must lie in 0..1. Got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBoxes:
    """One scene's boxes as the student gives them."""

    scores: FloatArray
    """(N, C) score of each class, 0..1."""
    center: FloatArray
    """(N, 3) level frame, metres."""
    size: FloatArray
    """(N, 3) metres."""
    yaw: FloatArray
    """(N,) radians, level frame."""

    @classmethod
    def of(cls, perception: Perception, scene: int = 0) -> RawBoxes:
        """The boxes of one scene of a batch."""
        boxes = perception.detections
        return cls(
            scores=to_numpy(boxes.scores[scene]),
            center=to_numpy(boxes.center_level[scene]),
            size=to_numpy(boxes.size[scene]),
            yaw=to_numpy(boxes.yaw[scene]),
        )


def decode_objects(
    raw: RawBoxes,
    labels: Sequence[str],
    *,
    level_from_optical: FloatArray,
    intrinsics: Intrinsics,
    config: DecodingConfig,
    min_score: float | None = None,
) -> tuple[tuple[SceneObject, ...], dict[int, int]]:
    """The objects, best first, ids from 1; and for each kept or merged box its index -> the object's id.

    A box that was suppressed hands its label scores to the one that stays, and its index points there.
    """
    least = config.min_score if min_score is None else min_score
    kept: list[SceneObject] = []
    owner: dict[int, int] = {}
    best = raw.scores.max(1)  # (N,)
    for n in np.argsort(-best, kind="stable"):
        if best[n] < least or not _is_sound(raw, n):
            continue
        candidate = _object(raw, int(n), labels, len(kept) + 1, config)
        twin = next((o for o in kept if _same_thing(o, candidate, config)), None)
        if twin is None:
            candidate = replace(candidate, image_box=image_rectangle(candidate.box, level_from_optical, intrinsics))
            kept.append(candidate)
        else:
            merged = dict(candidate.label_scores)
            merged.update({k: max(v, merged.get(k, 0.0)) for k, v in twin.label_scores.items()})
            kept[twin.id - 1] = replace(twin, label_scores=merged)
        owner[int(n)] = candidate.id if twin is None else twin.id
    return tuple(kept), owner


def filter_by_score(scene: Scene, *, min_score: float = MIN_SCORE, also: Iterable[int] = ()) -> Scene:
    """The scene with the objects that are worth showing: those that score enough, and the ids in ``also``."""
    wanted = set(also)
    return replace(scene, objects=tuple(o for o in scene.objects if o.score >= min_score or o.id in wanted))


def _is_sound(raw: RawBoxes, n: int) -> bool:
    values = np.concatenate([raw.center[n], raw.size[n], raw.yaw[n : n + 1]])
    return bool(np.isfinite(values).all())


def _object(raw: RawBoxes, n: int, labels: Sequence[str], object_id: int, config: DecodingConfig) -> SceneObject:
    row = raw.scores[n]
    top = int(row.argmax())
    plausible = np.flatnonzero(row >= config.plausible_share * row[top])
    return SceneObject(
        id=object_id,
        label=labels[top],
        box=Box3D(center=raw.center[n], size=np.maximum(raw.size[n], SMALLEST_SIDE_M), yaw=float(raw.yaw[n])),
        score=float(row[top]),
        label_scores={labels[c]: float(row[c]) for c in plausible[np.argsort(-row[plausible])]},
    )


def _same_thing(a: SceneObject, b: SceneObject, config: DecodingConfig) -> bool:
    limit = config.duplicate_iou if a.label == b.label else config.twin_iou
    return box_iou(a.box, b.box) > limit
