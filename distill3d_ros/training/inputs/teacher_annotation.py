"""A teacher's perception in place of the truth that a sample lacks: depth, and boxes or rectangles that it is sure of.

What is known of a sample stays. Of a sample without depth the teacher's is taken, of one in which nobody looked for
objects the teacher's boxes; ``Annotation`` then says what kind of knowledge they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from distill3d_ros.scene.annotation import DepthSource
from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import project
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.data.answers.teacher_answer import TeacherPerception
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.inputs.rectangle_overlap import suppressed

UNSURE = "unsure"
"""Label of what a teacher may have seen: no category, so that its place is neither object nor background."""
_CORE = 0.5
"""Share of the sides of a rectangle, around its centre, in which depth is taken to be its thing's."""
_NEAREST_CORNER = 0.1
"""Metres: corners of boxes nearer than this along the optical axis are taken to be so far."""
_THINNEST = 0.02
"""Metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sureness:
    """Class probabilities from which a teacher's boxes count."""

    min_score: float = 0.5
    """Boxes from this probability of their class on are objects."""
    unsure_score: float = 0.1
    """Boxes between are left open: a picture in which a class has one does not say that it is absent."""

    def __post_init__(self) -> None:
        if not 0 < self.unsure_score <= self.min_score <= 1:
            raise ValueError(
                "sureness must have 0 < unsure_score <= min_score <= 1. "
                f"Got unsure_score {self.unsure_score}, min_score {self.min_score}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherAnnotation:
    """A teacher's cached perception, by the sample's key; may be handed to worker processes."""

    cache: TeacherCache
    sureness: Sureness

    def __call__(self, key: str, sample: Sample) -> Sample:
        """The sample with what the teacher adds, see ``annotated_by_teacher``."""
        annotation = sample.scene.annotation
        if (annotation.depth != "none" and annotation.boxes != "none") or key not in self.cache:
            return sample
        perception = self.cache[key].perception
        return annotated_by_teacher(sample, perception, sureness=self.sureness, covers=self.cache.info.covers)


def annotated_by_teacher(
    sample: Sample,
    perception: TeacherPerception | None,
    *,
    sureness: Sureness,
    covers: Mapping[str, tuple[str, ...]] | None = None,
) -> Sample:
    """The sample with the teacher's depth where it has none, and the teacher's boxes where nobody looked for objects.

    Args:
        covers: class of the teacher -> finer classes that it does not tell apart (``Annotation.covers``).
    """
    if perception is None:
        return sample
    return _with_boxes(_with_depth(sample, perception), perception, sureness, covers or {})


def sure_objects(scene: Scene) -> Scene:
    """The scene without the objects that a teacher is not sure of: those that have a name are left."""
    return replace(scene, objects=tuple(o for o in scene.objects if o.label in LABELS))


def _with_depth(sample: Sample, perception: TeacherPerception) -> Sample:
    scene, annotation = sample.scene, sample.scene.annotation
    if annotation.depth != "none" or perception.depth is None:
        return sample
    k = sample.frame.intrinsics
    depth = np.nan_to_num(np.asarray(perception.depth, np.float32), nan=0.0, posinf=0.0)
    if depth.shape != (k.height, k.width):
        depth = np.asarray(cv2.resize(depth, (k.width, k.height), interpolation=cv2.INTER_NEAREST), np.float32)
    source: DepthSource = "relative" if perception.depth_is_relative else "estimated"
    return replace(sample, scene=replace(scene, depth=depth, annotation=replace(annotation, depth=source)))


def _with_boxes(
    sample: Sample, perception: TeacherPerception, sureness: Sureness, covers: Mapping[str, tuple[str, ...]]
) -> Sample:
    scene, annotation, k = sample.scene, sample.scene.annotation, sample.frame.intrinsics
    in_space = perception.center_level is not None
    if annotation.boxes != "none" or not (in_space or perception.rectangles is not None):
        return sample
    labels, probs = perception.labels, np.asarray(perception.class_probs, np.float32)
    boxes: list[Box3D] = []
    if in_space:
        boxes, rectangles = _boxes_in_view(perception, scene)
    else:
        rectangles = np.asarray(perception.rectangles, np.float64) * [k.width, k.height, k.width, k.height]
    score = probs.max(1, initial=0.0)
    possible = np.flatnonzero((score >= sureness.unsure_score) & np.isfinite(rectangles).all(1))
    possible = possible[suppressed(rectangles[possible], probs[possible])]
    objects, open_classes = [], set()
    for number, i in enumerate(possible.tolist(), start=1):
        sure, label = score[i] >= sureness.min_score, labels[int(probs[i].argmax())]
        open_classes |= {labels[c] for c in np.flatnonzero(probs[i] >= sureness.unsure_score)} - {label}
        if not sure:
            open_classes.add(label)
        left, top, right, bottom = (rectangles[i] - 0.5).tolist()
        image_box = (left, top, right, bottom)
        objects.append(
            SceneObject(
                id=number,
                label=label if sure else UNSURE,
                box=boxes[i] if in_space else _facing_box(image_box, sample),
                score=float(score[i]),
                image_box=image_box,
                visible_pixels=round(max(right - left, 1) * max(bottom - top, 1)),
            )
        )
    known = replace(
        annotation,
        boxes="amodal" if in_space else "visible",
        masks=False,
        classes=frozenset(labels) - open_classes,
        covers={label: tuple(finer) for label, finer in covers.items()},
    )
    return replace(sample, scene=replace(scene, objects=tuple(objects), annotation=known))


def _boxes_in_view(perception: TeacherPerception, scene: Scene) -> tuple[list[Box3D], FloatArray]:
    assert perception.center_level is not None
    assert perception.size is not None
    assert perception.yaw is not None
    boxes = [
        Box3D(center=c, size=np.maximum(s, _THINNEST), yaw=float(y))
        for c, s, y in zip(perception.center_level, perception.size, perception.yaw, strict=True)
    ]
    return boxes, box_rectangles(boxes, scene.level_from_optical, scene.intrinsics)


def box_rectangles(boxes: Sequence[Box3D], level_from_optical: FloatArray, k: Intrinsics) -> FloatArray:
    """(N, 4) left, top, right, bottom edges of boxes in the picture, 0..width and 0..height; NaN for those out of it.

    Args:
        level_from_optical: (3, 3) of the level frame that the boxes are in.
    """
    rectangles = [_projected(b, np.asarray(level_from_optical, np.float64), k) for b in boxes]
    return np.stack(rectangles) if rectangles else np.zeros((0, 4))


def _projected(box: Box3D, level_from_optical: FloatArray, k: Intrinsics) -> FloatArray:
    """(4,) edges of a box's rectangle within the picture; NaN where it is not in it."""
    corners = box.corners() @ level_from_optical
    corners[:, 2] = np.maximum(corners[:, 2], _NEAREST_CORNER)
    uv, _ = project(corners, k)
    outside = (box.center @ level_from_optical)[2] <= 0
    edges = np.concatenate([uv.min(0), uv.max(0)]) + 0.5
    edges = np.clip(edges, 0, [k.width, k.height, k.width, k.height])
    return np.full(4, np.nan) if outside or (edges[2:] - edges[:2] < 1).any() else edges


def _facing_box(image_box: tuple[float, float, float, float], sample: Sample) -> Box3D:
    """A box that fills a rectangle of the picture, as far as the depth in its middle; a metre away without depth.

    Only its direction is known for sure; what learns from it uses the rectangle.
    """
    k, scene = sample.frame.intrinsics, sample.scene
    left, top, right, bottom = image_box
    u, v, half = (left + right) / 2, (top + bottom) / 2, np.array([right - left, bottom - top]) / 2
    z, thickness = 1.0, _THINNEST
    if scene.annotation.depth_in_metres and scene.depth is not None:
        rows, columns = (
            slice(max(0, round(at - _CORE * h)), max(0, round(at + _CORE * h)) + 1)
            for at, h in ((v, half[1]), (u, half[0]))
        )
        values = scene.depth[rows, columns]
        values = values[values > 0]
        if len(values):
            near, z, far = np.percentile(values, (10, 50, 90)).tolist()
            thickness = max(far - near, _THINNEST)
    center = np.array([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z])
    size = np.array([2 * half[0] / k.fx * z, 2 * half[1] / k.fy * z, thickness])
    return Box3D(center=scene.level_from_optical @ center, size=np.maximum(size, _THINNEST), yaw=0.0)
