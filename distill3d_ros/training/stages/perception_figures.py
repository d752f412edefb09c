"""Figures of a student's perception in validation: depth, boxes and segmentation, rendered and real pictures apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import torch

from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.student import Student
from distill3d_ros.training.data.mixture import Reader
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.evaluation.detections import detected_scenes
from distill3d_ros.training.evaluation.metrics import DepthScore, box_score, depth_score, mean_depth_score
from distill3d_ros.training.evaluation.real.marked_things import MarkedThings
from distill3d_ros.training.evaluation.real.segmentation import SegmentationScore
from distill3d_ros.training.inputs.augmentation import resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.known_classes import class_image, semantic_targets
from distill3d_ros.training.inputs.targets import perceive_views

REAL = "real_"
"""Before the names of figures on pictures of real cameras."""


def perception_figures(
    student: Student, reader: Reader, numbers: Sequence[int], *, batch_size: int, prefix: str = ""
) -> dict[str, float]:
    """mAP of the boxes that the robot would publish, the errors of the depth, and mIoU of a segmentation head.

    ``map25`` and ``map50`` are of 3D boxes where whole boxes are known, ``image_map50`` is of their projections where
    only what is visible is known. With a prefix, which real pictures have, ``scaled_absrel`` and ``scaled_delta1`` are
    those after scaling by each picture's median.
    """
    figures = _Figures(student.config.labels)
    for start in range(0, len(numbers), batch_size):
        samples = [reader[i] for i in numbers[start : start + batch_size]]
        for _, alike in groupby(samples, key=lambda s: s.frame.image.shape):
            figures.add(student, list(alike))
    return {prefix + name: value for name, value in figures.all(scaled=bool(prefix)).items()}


class _Figures:
    """Collects pictures of one size at a time."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.number = {label: i for i, label in enumerate(labels)}
        self.whole: list[tuple[Scene, Scene]] = []
        self.visible = MarkedThings(known=self.labels)
        self.has_visible = False
        self.depths: list[DepthScore | None] = []
        self.scaled: list[DepthScore | None] = []
        self.segmentation = SegmentationScore(labels)
        self.has_segmentation = False

    def add(self, student: Student, samples: Sequence[Sample]) -> None:
        views = [
            resize_uncropped(view_from_sample(s), area=student.config.image_area, multiple=student.multiple)
            for s in samples
        ]
        with torch.inference_mode():
            perception = perceive_views(student, views, semantics=True)
        found = detected_scenes(perception, self.labels, [s.scene for s in samples])
        depth = perception.depth[:, 0].float().cpu().numpy()
        for i, (sample, view) in enumerate(zip(samples, views, strict=True)):
            known = sample.scene.annotation
            if known.depth != "none":
                self.depths.append(depth_score(depth[i], view.depth))
                self.scaled.append(depth_score(depth[i], view.depth, median_scaled=True))
            if known.boxes == "amodal":
                self.whole.append((found[i], sample.scene))
            elif known.boxes == "visible":
                self.has_visible = True
                self.visible.add(found[i], sample.scene, sample.ids, shown=())
        for guessed, view in zip(_guesses(perception), views, strict=False):
            self.has_segmentation = True
            annotation = view.scene.annotation
            if annotation.masks:
                true = class_image(view.ids, view.scene.objects, annotation, self.number)
                self.segmentation.add(guessed, semantic_targets(true), annotation)

    def all(self, *, scaled: bool) -> dict[str, float]:
        figures: dict[str, float] = {}
        if self.whole:
            boxes = box_score([found for found, _ in self.whole], [true for _, true in self.whole])
            figures |= {"map25": boxes.mean(0.25), "map50": boxes.mean(0.5)}
        if self.has_visible:
            figures["image_map50"] = self.visible.figures()["map50"]
        score = mean_depth_score(self.depths)
        if score is not None:
            figures |= {"absrel": score.absrel, "delta1": score.delta1, "rmse": score.rmse}
        score = mean_depth_score(self.scaled)
        if scaled and score is not None:
            figures |= {"scaled_absrel": score.absrel, "scaled_delta1": score.delta1}
        if self.has_segmentation:
            figures["miou"] = self.segmentation.mean()
        return figures


def _guesses(perception: Perception) -> Iterator[np.ndarray]:
    """(h, w) likeliest classes of each picture; none of a student without a segmentation head."""
    if perception.semantics is not None:
        yield from perception.semantics[:, 0].argmax(1).cpu().numpy()
