"""The perception stage: depth, boxes and camera from pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.data.mixture import Folders, open_split
from distill3d_ros.training.data.reading import KeyedReader, evenly_spaced
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.evaluation.detections import detected_scenes
from distill3d_ros.training.evaluation.metrics import box_score, depth_score, mean_depth_score
from distill3d_ros.training.inputs.augmentation import augment_batch, resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.batch_builder import BatchBuilder
from distill3d_ros.training.inputs.targets import PerceptionBatch, perceive_batch, perceive_views, training_batch
from distill3d_ros.training.inputs.teacher_annotation import Sureness, TeacherAnnotation
from distill3d_ros.training.loop.batches import Build, KeySource
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.losses.supervised import PERCEPTION_LOSSES, Losses, perception_losses


def teacher_annotation(config: StageConfig, teacher_cache: TeacherCache | None) -> TeacherAnnotation | None:
    """What a stage's teacher adds to samples that nobody annotated; None without a teacher."""
    if teacher_cache is None:
        return None
    sureness = Sureness(min_score=config.teacher_min_score, unsure_score=config.teacher_unsure_score)
    return TeacherAnnotation(cache=teacher_cache, sureness=sureness)


class PerceptionBuilder(BatchBuilder[KeyedReader, PerceptionBatch]):
    """Reads, augments and stacks images; one size a batch."""

    def __init__(
        self,
        data: Folders,
        config: StageConfig,
        labels: Sequence[str],
        stride: int,
        teacher: TeacherAnnotation | None = None,
    ) -> None:
        super().__init__(partial(KeyedReader, data, "train"))
        self.teacher = teacher
        self.config, self.stride = config, stride
        self.label_index = {name: i for i, name in enumerate(labels)}
        self.real = config.augmentation_of_real

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> PerceptionBatch:
        samples = (self._sample(key) for key in keys)
        views = augment_batch(samples, self.config.augment, rng, real=self.real)
        return training_batch(views, self.config, self.label_index, stride=self.stride, rng=rng)

    def _sample(self, key: str) -> Sample:
        sample: Sample = self.reader[key]
        return sample if self.teacher is None else self.teacher(key, sample)


class PerceptionStage(Stage):
    """Depth, boxes and camera from pixels."""

    loss_names = PERCEPTION_LOSSES
    modules = TRAINED_PARTS["perception"]

    def __init__(
        self,
        config: StageConfig,
        data: Folders,
        labels: Sequence[str],
        *,
        stride: int,
        teacher_cache: TeacherCache | None = None,
    ) -> None:
        self.config, self.data, self.labels, self.stride = config, data, tuple(labels), stride
        self.teacher_cache = teacher_cache

    def training_samples(self, source: KeySource, report: Callable[[str], None]) -> KeySource:
        """All of them; says how many a teacher has looked at."""
        if self.teacher_cache is not None:
            seen = sum(key in self.teacher_cache for key in source.keys)
            report(
                f"{self.config.name}: {self.teacher_cache.info.teacher} has looked at {seen} of {len(source.keys)} "
                "samples; its depth and boxes count where nothing else is known"
            )
            if not seen:
                raise ValueError(
                    f"stage {self.config.name!r}: teacher {self.config.teacher!r} has looked at none of the samples"
                )
        return source

    def builder(self) -> Build:
        return PerceptionBuilder(
            self.data, self.config, self.labels, self.stride, teacher_annotation(self.config, self.teacher_cache)
        )

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
