"""The perception stage: depth, boxes and camera from pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.mixture import Folders, open_split
from distill3d_ros.training.data.reading import KeyedReader, evenly_spaced
from distill3d_ros.training.evaluation.detections import detected_scenes
from distill3d_ros.training.evaluation.metrics import box_score, depth_score, mean_depth_score
from distill3d_ros.training.inputs.augmentation import augment, resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.targets import PerceptionBatch, perceive_batch, perception_batch, training_batch
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.losses.supervised import PERCEPTION_LOSSES, Losses, perception_losses


class PerceptionBuild:
    """Reads, augments and stacks images; one size a batch."""

    def __init__(self, data: Folders, config: StageConfig, labels: Sequence[str], stride: int) -> None:
        self.data, self.config, self.stride = data, config, stride
        self.label_index = {name: i for i, name in enumerate(labels)}
        self._reader: KeyedReader | None = None

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> PerceptionBatch:
        if self._reader is None:  # opened where it is used: in the worker, if there is one
            self._reader = KeyedReader(self.data, "train")
        sizes = self.config.augment.sizes
        size = sizes[int(rng.integers(len(sizes)))]
        views = [augment(view_from_sample(self._reader[key]), self.config.augment, size, rng) for key in keys]
        return training_batch(views, self.config, self.label_index, stride=self.stride, rng=rng)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}


class PerceptionStage:
    """Depth, boxes and camera from pixels."""

    loss_names: tuple[str, ...] = PERCEPTION_LOSSES
    modules = TRAINED_PARTS["perception"]
    workers = 0

    def __init__(self, config: StageConfig, data: Folders, labels: Sequence[str], *, stride: int) -> None:
        self.config, self.data, self.labels, self.stride = config, data, tuple(labels), stride

    def builder(self) -> Build:
        return PerceptionBuild(self.data, self.config, self.labels, self.stride)

    def losses(self, student: Student, batch: PerceptionBatch) -> Losses:
        return perception_losses(perceive_batch(student, batch), batch)

    def validate(self, student: Student) -> dict[str, float]:
        reader = open_split(self.data, "val")
        if len(reader) == 0:
            return {}
        scenes, truths, depths = [], [], []
        picked = evenly_spaced(len(reader), self.config.validate_samples)
        for start in range(0, len(picked), self.config.batch_size):
            samples = [reader[i] for i in picked[start : start + self.config.batch_size]]
            device = next(student.parameters()).device
            views = [
                resize_uncropped(view_from_sample(s), area=student.config.image_area, multiple=student.multiple)
                for s in samples
            ]
            grid = (views[0].image.shape[0] // self.stride, views[0].image.shape[1] // self.stride)
            batch = perception_batch(views, {}, min_visible_pixels=0, grid=grid).to(device)
            with torch.inference_mode():
                perception = perceive_batch(student, batch)
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
