"""The distillation stage: a teacher's cached answers beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.data.mixture import Folders
from distill3d_ros.training.data.reading import KeyedReader
from distill3d_ros.training.inputs.augmentation import View, resize_to, resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.batch_builder import BatchBuilder
from distill3d_ros.training.inputs.camera_effects import random_camera
from distill3d_ros.training.inputs.targets import perceive_batch, training_batch
from distill3d_ros.training.inputs.teacher_annotation import Sureness, TeacherAnnotation, sure_objects
from distill3d_ros.training.inputs.teacher_targets import TeacherTargets, collate_teacher_targets
from distill3d_ros.training.loop.batches import Build, KeySource
from distill3d_ros.training.losses.answer_distillation import AnswerDistillation
from distill3d_ros.training.losses.from_teacher import box_losses, dense_losses, drop_absent
from distill3d_ros.training.losses.supervised import (
    LANGUAGE_LOSSES,
    PERCEPTION_LOSSES,
    TEACHER_LOSSES,
    Losses,
    perception_losses,
)
from distill3d_ros.training.losses.view_pairs import Posed, Rooms, SecondViews, multi_view_loss, second_views
from distill3d_ros.training.stages.joint import JointBatch, JointStage, perception_learns


@dataclass(kw_only=True, slots=True)
class DistillBatch(JointBatch):
    """Images with their truth, questions about each, and a teacher's answers."""

    teacher_targets: TeacherTargets
    second: SecondViews | None
    """Other views of the same rooms, where the stage asks for them."""

    def to(self, device: torch.device) -> DistillBatch:
        return DistillBatch(
            perception=self.perception.to(device),
            scenes=self.scenes,
            questions=self.questions,
            teacher_targets=self.teacher_targets.to(device),
            second=None if self.second is None else self.second.to(device),
        )


class DistillBuilder(BatchBuilder[KeyedReader, DistillBatch]):
    """Reads whole pictures, in other colours than the teacher saw them, with the questions that it was asked."""

    def __init__(
        self,
        data: Folders,
        config: StageConfig,
        labels: Sequence[str],
        teacher_cache: TeacherCache,
        *,
        area: int,
        multiple: int,
        stride: int,
    ) -> None:
        super().__init__(partial(KeyedReader, data, "train"))
        self.config, self.teacher_cache = config, teacher_cache
        self.real = config.augmentation_of_real
        sureness = Sureness(min_score=config.teacher_min_score, unsure_score=config.teacher_unsure_score)
        self.annotation = TeacherAnnotation(cache=teacher_cache, sureness=sureness)
        self.area, self.multiple, self.stride = area, multiple, stride
        self.label_index = {name: i for i, name in enumerate(labels)}
        self._rooms: Rooms | None = None

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> DistillBatch:
        cached = [self.teacher_cache[key] for key in keys]
        views: list[View] = []
        poses = []
        for key in keys:
            sample = self.annotation(key, self.reader[key])
            views.append(self._recolored(view_from_sample(sample), views[0] if views else None, rng))
            poses.append(sample.frame.world_from_camera)
        asked = [rng.permutation(len(c.questions))[: self.config.questions_per_scene].tolist() for c in cached]
        height, width = views[0].image.shape[:2]
        targets = collate_teacher_targets(cached, asked, (height, width), len(self.label_index))
        firsts = [None if pose is None else (view, pose) for view, pose in zip(views, poses, strict=True)]
        return DistillBatch(
            perception=training_batch(views, self.config, self.label_index, stride=self.stride, rng=rng),
            scenes=[sure_objects(view.scene) for view in views],
            questions=[[c.questions[i] for i in numbers] for c, numbers in zip(cached, asked, strict=True)],
            teacher_targets=targets,
            second=self._second_views(keys, firsts, rng) if self.config.multi_view_pairs else None,
        )

    def _recolored(self, view: View, like: View | None, rng: np.random.Generator) -> View:
        """The whole view in other colours, at the size of the batch's first."""
        view = resize_uncropped(view, area=self.area, multiple=self.multiple)
        if like is not None:
            view = resize_to(view, like.image.shape[:2])
        augment = self.config.augment if view.scene.annotation.is_rendered else self.real
        return replace(view, image=random_camera(view.image, augment, rng))

    def _second_views(
        self, keys: Sequence[str], firsts: Sequence[Posed | None], rng: np.random.Generator
    ) -> SecondViews | None:
        if self._rooms is None:
            self._rooms = Rooms(self.reader.keys)
        like = next((first[0] for first in firsts if first is not None), None)

        def read(key: str) -> Posed | None:
            sample = self.reader[key]
            pose = sample.frame.world_from_camera
            return None if pose is None else (self._recolored(view_from_sample(sample), like, rng), pose)

        return second_views(firsts, [self._rooms.others(key, rng) for key in keys], read)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_rooms": None}


class AnsweredKeys:
    """Those of a source's samples that a teacher has answered about."""

    def __init__(self, source: KeySource, teacher_cache: TeacherCache) -> None:
        self._source, self._teacher_cache = source, teacher_cache
        self.keys: list[str] = []
        self._choose()

    def refresh(self) -> int:
        """Takes in what the source has by now; returns how many of it are answered."""
        self._source.refresh()
        self._choose()
        return len(self.keys)

    def _choose(self) -> None:
        self.keys = [key for key in self._source.keys if key in self._teacher_cache]


class DistillStage(JointStage):
    """Questions on the student's own perception, answered by the truth and by a teacher.

    Raises:
        ValueError: the teacher's classes are not the student's, or its tokens are asked for and are other tokens.
    """

    loss_names = (*LANGUAGE_LOSSES, *PERCEPTION_LOSSES, *TEACHER_LOSSES)
    modules = TRAINED_PARTS["distill"]

    def __init__(
        self, config: StageConfig, data: Folders, out: Path, student: Student, teacher_cache: TeacherCache
    ) -> None:
        stride = student.encoder.patch_embed.patch_size
        super().__init__(config, data, out, student.config.labels, stride=stride, workers=config.workers)
        self.teacher_cache = teacher_cache
        self.area, self.multiple = student.config.image_area, student.multiple
        if not teacher_cache.info.questions:
            raise ValueError(
                f"stage {config.name!r}: teacher {config.teacher!r} perceives alone and answers nothing; name it in a "
                "stage of kind perception"
            )
        self._check_labels(teacher_cache.info.labels)
        self.distillation = AnswerDistillation(config, teacher_cache.info, student)
        self.auxiliary_modules = self.distillation.auxiliary_modules

    def _check_labels(self, labels: Sequence[str]) -> None:
        if not labels or tuple(labels) == self.labels:
            return
        other = sorted(set(labels) ^ set(self.labels))
        what = f"only one of them knows {', '.join(other[:6])}" if other else "their order differs"
        raise ValueError(
            f"stage {self.config.name!r}: teacher {self.config.teacher!r} has {len(labels)} classes, the student "
            f"{len(self.labels)}, and they are not the same: {what}. Let a teacher of the student's classes answer"
        )

    def training_samples(self, source: KeySource, report: Callable[[str], None]) -> KeySource:
        """The samples that the teacher has answered about; says how many are left out, and what is learned."""
        answered = AnsweredKeys(source, self.teacher_cache)
        total, name = len(source.keys), self.config.name
        if not answered.keys:
            raise ValueError(
                f"stage {name!r}: teacher {self.config.teacher!r} has answers about none of {total} samples"
            )
        report(
            f"{name}: {len(answered.keys)} of {total} samples have answers of {self.teacher_cache.info.teacher}, "
            f"{total - len(answered.keys)} are left out"
        )
        report(f"{name}: answers are learned from {self.distillation.describe()}")
        return answered

    def builder(self) -> Build:
        return DistillBuilder(
            self.data,
            self.config,
            self.labels,
            self.teacher_cache,
            area=self.area,
            multiple=self.multiple,
            stride=self.stride,
        )

    def losses(self, student: Student, batch: JointBatch) -> Losses:
        assert isinstance(batch, DistillBatch)
        truth, targets = batch.perception, batch.teacher_targets
        learns = perception_learns(student)
        with torch.set_grad_enabled(learns):
            perception = perceive_batch(student, truth, semantics=learns)
        objects = student.objects(perception)
        found = self.distillation.losses(
            student,
            student.prefix(perception, stop_gradient=not learns),
            self.linked_questions(objects, batch),
            targets.answers,
            max_objects=objects.score.shape[1],
        )
        if not learns:
            return found
        found |= perception_losses(perception, truth)
        from_teacher: dict[str, Tensor | None] = {
            **dense_losses(perception, truth, targets),
            **box_losses(perception, truth, targets),
        }
        if batch.second is not None:
            views = batch.second
            second = student.perceive(views.images, views.intrinsics, views.up if truth.up_given else None)
            from_teacher["multi_view"] = multi_view_loss(perception, second, views)
        return found | drop_absent(from_teacher)
