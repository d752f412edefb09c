"""The perception stage: depth, boxes and camera from pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.data.mixture import Folders, RealKeys, open_split
from distill3d_ros.training.data.reading import KeyedReader, evenly_spaced
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.inputs.augmentation import augment_batch
from distill3d_ros.training.inputs.batch_builder import BatchBuilder
from distill3d_ros.training.inputs.targets import PerceptionBatch, perceive_batch, training_batch
from distill3d_ros.training.inputs.teacher_annotation import Sureness, TeacherAnnotation
from distill3d_ros.training.loop.batches import Build, KeySource
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.losses.supervised import PERCEPTION_LOSSES, Losses, perception_losses
from distill3d_ros.training.stages.perception_figures import REAL, perception_figures


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
        """Figures of depth, boxes and segmentation on ``validate_samples`` rendered and as many real pictures."""
        reader = open_split(self.data, "val")
        is_real = RealKeys(self.data, "val")
        figures: dict[str, float] = {}
        for real, prefix in ((False, ""), (True, REAL)):
            numbers = [i for i, key in enumerate(reader.keys) if is_real(key) == real]
            picked = [numbers[i] for i in evenly_spaced(len(numbers), self.config.validate_samples)] if numbers else []
            if picked:
                figures |= perception_figures(student, reader, picked, batch_size=self.config.batch_size, prefix=prefix)
        return figures
