"""The perception stage: depth, boxes and camera from pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.mixture import Folders, open_split
from distill3d_ros.training.data.reading import KeyedReader, evenly_spaced
from distill3d_ros.training.evaluation.detections import detected_scenes
from distill3d_ros.training.evaluation.metrics import box_score, depth_score, mean_depth_score
from distill3d_ros.training.inputs.augmentation import augment_batch, resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.batch_builder import BatchBuilder
from distill3d_ros.training.inputs.targets import PerceptionBatch, perceive_batch, perceive_views, training_batch
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.losses.supervised import PERCEPTION_LOSSES, Losses, perception_losses


class PerceptionBuilder(BatchBuilder[KeyedReader, PerceptionBatch]):
    """Reads, augments and stacks images; one size a batch."""

    def __init__(self, data: Folders, config: StageConfig, labels: Sequence[str], stride: int) -> None:
        super().__init__(partial(KeyedReader, data, "train"))
        self.config, self.stride = config, stride
        self.label_index = {name: i for i, name in enumerate(labels)}
        self.real = config.augmentation_of_real

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> PerceptionBatch:
        views = augment_batch((self.reader[key] for key in keys), self.config.augment, rng, real=self.real)
        return training_batch(views, self.config, self.label_index, stride=self.stride, rng=rng)


class PerceptionStage(Stage):
    """Depth, boxes and camera from pixels."""

    loss_names = PERCEPTION_LOSSES
    modules = TRAINED_PARTS["perception"]

    def __init__(self, config: StageConfig, data: Folders, labels: Sequence[str], *, stride: int) -> None:
        self.config, self.data, self.labels, self.stride = config, data, tuple(labels), stride

    def builder(self) -> Build:
        return PerceptionBuilder(self.data, self.config, self.labels, self.stride)

    def losses(self, student: Student, batch: PerceptionBatch) -> Losses:
        return perception_losses(perceive_batch(student, batch, semantics=True), batch)

    def validate(self, student: Student) -> dict[str, float]:
        """mAP of the boxes that the robot would publish, and the errors of the depth, on validation images."""
        reader = open_split(self.data, "val")
        if len(reader) == 0:
            return {}
        scenes, truths, depths = [], [], []
        picked = evenly_spaced(len(reader), self.config.validate_samples)
        for start in range(0, len(picked), self.config.batch_size):
            samples = [reader[i] for i in picked[start : start + self.config.batch_size]]
            views = [
                resize_uncropped(view_from_sample(s), area=student.config.image_area, multiple=student.multiple)
                for s in samples
            ]
            with torch.inference_mode():
                perception = perceive_views(student, views)
            found = detected_scenes(perception, self.labels, [s.scene for s in samples])
            depth = perception.depth[:, 0].float().cpu().numpy()
            for i, sample in enumerate(samples):
                depths.append(depth_score(depth[i], views[i].depth))
                scenes.append(found[i])
                truths.append(sample.scene)
        boxes = box_score(scenes, truths)
        score = mean_depth_score(depths)
        figures = {"map25": boxes.mean(0.25), "map50": boxes.mean(0.5)}
        if score is not None:
            figures |= {"absrel": score.absrel, "delta1": score.delta1, "rmse": score.rmse}
        return figures
