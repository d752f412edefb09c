"""Boxes that training and evaluation measure, beside those that the engine publishes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from distill3d_ros.engine.box_decoding import MIN_BOX_SCORE, MIN_OBJECT_SCORE, RawBoxes
from distill3d_ros.engine.engine import Engine
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.training.evaluation.detections import detected_scenes, with_all_boxes

CAMERA = Intrinsics.from_fov(width=224, height=224, horizontal_fov=1.1)


def test_what_is_measured_is_what_the_robot_publishes(engine: Engine) -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    scene = engine.perceive(Frame(image=image, intrinsics=CAMERA))
    (validated,) = detected_scenes(scene.features.perception, engine.labels, [scene])
    evaluated = with_all_boxes(engine, scene)
    assert validated.objects
    assert [(o.id, o.label, o.label_scores, o.box.center.tolist()) for o in validated.objects] == [
        (o.id, o.label, o.label_scores, o.box.center.tolist()) for o in evaluated.objects
    ]
    published = [o for o in validated.objects if o.score >= MIN_OBJECT_SCORE]
    assert [(o.id, o.label, o.score) for o in published] == [(o.id, o.label, o.score) for o in scene.objects]


def test_duplicates_are_no_false_alarms(engine: Engine) -> None:
    scene = engine.perceive(Frame(image=np.zeros((224, 224, 3), np.uint8), intrinsics=CAMERA))
    perception = scene.features.perception
    huge = replace(perception.detections, size=torch.full_like(perception.detections.size, 50.0))
    (found,) = detected_scenes(replace(perception, detections=huge), engine.labels, [scene])
    assert (RawBoxes.of(perception).scores.max(1) >= MIN_BOX_SCORE).sum() > 1
    assert len(found.objects) == 1
