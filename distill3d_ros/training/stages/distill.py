"""The stage in which a student learns from a teacher's cached answers, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill3d_ros.student.student import Student
from distill3d_ros.training.config import PERCEPTION_PARTS, TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.mixture import Folders
from distill3d_ros.training.data.reading import KeyedReader
from distill3d_ros.training.inputs.augmentation import View, jitter_color, resize_to, resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.object_matching import link_names_to_objects, match_objects
from distill3d_ros.training.inputs.targets import perceive_batch, training_batch
from distill3d_ros.training.inputs.teacher_targets import Lessons, Taught, taught_batch
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
from distill3d_ros.training.stages.joint import JointBatch, JointStage


@dataclass(kw_only=True, slots=True)
class DistillBatch(JointBatch):
    """Images with their truth, questions about each, and what the teacher said."""

    taught: Taught
    second: SecondViews | None
    """Other views of the same rooms, where the stage asks for them."""

    def to(self, device: torch.device) -> DistillBatch:
        return DistillBatch(
            perception=self.perception.to(device),
            scenes=self.scenes,
            questions=self.questions,
            taught=self.taught.to(device),
            second=None if self.second is None else self.second.to(device),
        )


class DistillBuild:
    """Reads whole pictures, other colours apart as the teacher saw them, with the questions that it was asked."""

    def __init__(
        self,
        data: Folders,
        config: StageConfig,
        labels: Sequence[str],
        lessons: Lessons,
        *,
        area: int,
        multiple: int,
        stride: int,
    ) -> None:
        self.data, self.config, self.lessons = data, config, lessons
        self.area, self.multiple, self.stride = area, multiple, stride
        self.label_index = {name: i for i, name in enumerate(labels)}
        self._reader: KeyedReader | None = None
        self._rooms: Rooms | None = None

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> DistillBatch:
        if self._reader is None:  # opened where it is used: in the worker, if there is one
            self._reader = KeyedReader(self.data, "train")
        lessons = [self.lessons[key] for key in keys]
        views: list[View] = []
        poses = []
        for key in keys:
            sample = self._reader[key]
            views.append(self._looked_at(view_from_sample(sample), views[0] if views else None, rng))
            poses.append(sample.frame.world_from_camera)
        picked = [rng.permutation(len(s.questions))[: self.config.questions_per_scene] for s in lessons]
        size = views[0].image.shape[:2]
        taught = taught_batch(
            [[s.answers[i] for i in chosen] for s, chosen in zip(lessons, picked, strict=True)],
            [s.perception for s in lessons],
            (size[0], size[1]),
            len(self.label_index),
        )
        firsts = [None if pose is None else (view, pose) for view, pose in zip(views, poses, strict=True)]
        return DistillBatch(
            perception=training_batch(views, self.config, self.label_index, stride=self.stride, rng=rng),
            scenes=[view.scene for view in views],
            questions=[[s.questions[i] for i in chosen] for s, chosen in zip(lessons, picked, strict=True)],
            taught=taught,
            second=self._second_views(keys, firsts, rng) if self.config.multi_view_pairs else None,
        )

    def _looked_at(self, view: View, like: View | None, rng: np.random.Generator) -> View:
        """The whole view in other colours, at the size of the batch's first."""
        view = resize_uncropped(view, area=self.area, multiple=self.multiple)
        if like is not None:
            view = resize_to(view, like.image.shape[:2])
        augment = self.config.augment
        return replace(view, image=jitter_color(view.image, augment.color, augment.noise, rng))

    def _second_views(
        self, keys: Sequence[str], firsts: Sequence[Posed | None], rng: np.random.Generator
    ) -> SecondViews | None:
        reader = self._reader
        assert reader is not None
        if self._rooms is None:
            self._rooms = Rooms(reader.keys)
        like = next((first[0] for first in firsts if first is not None), None)

        def read(key: str) -> Posed | None:
            sample = reader[key]
            pose = sample.frame.world_from_camera
            return None if pose is None else (self._looked_at(view_from_sample(sample), like, rng), pose)

        return second_views(firsts, [self._rooms.others(key, rng) for key in keys], read)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None, "_rooms": None}


class TaughtKeys:
    """Those of a source's samples that a teacher has answered about."""

    def __init__(self, source: KeySource, lessons: Lessons) -> None:
        self._source, self._lessons = source, lessons
        self.keys: list[str] = []
        self._choose()

    def refresh(self) -> int:
        """Takes in what the source has by now; returns how many of it are answered."""
        self._source.refresh()
        self._choose()
        return len(self.keys)

    def _choose(self) -> None:
        self.keys = [key for key in self._source.keys if key in self._lessons]


class DistillStage(JointStage):
    """Questions on the student's own perception, answered by the truth and by a teacher.

    Raises:
        ValueError: the teacher's classes are not the student's, or its tokens are asked for and are other tokens.
    """

    loss_names: tuple[str, ...] = (*LANGUAGE_LOSSES, *PERCEPTION_LOSSES, *TEACHER_LOSSES)
    modules: tuple[str, ...] = TRAINED_PARTS["distill"]

    def __init__(self, config: StageConfig, data: Folders, out: Path, student: Student, lessons: Lessons) -> None:
        stride = student.encoder.patch_embed.patch_size
        super().__init__(config, data, out, student.config.labels, stride=stride, workers=config.workers)
        self.lessons = lessons
        self.area, self.multiple = student.config.image_area, student.multiple
        self._check_labels(lessons.info.labels)
        self.teaching = AnswerDistillation(config, lessons.info, student)
        self.own: nn.Module | None = self.teaching.own

    def _check_labels(self, labels: Sequence[str]) -> None:
        if not labels or tuple(labels) == self.labels:
            return
        other = sorted(set(labels) ^ set(self.labels))
        what = f"only one of them knows {', '.join(other[:6])}" if other else "their order differs"
        raise ValueError(
            f"stage {self.config.name!r}: teacher {self.config.teacher!r} has {len(labels)} classes, the student "
            f"{len(self.labels)}, and they are not the same: {what}. Let a teacher of the student's classes answer"
        )

    def taught(self, source: KeySource, report: Callable[[str], None]) -> KeySource:
        """The samples that the teacher has answered about; says how many are left out, and what is learned."""
        known = TaughtKeys(source, self.lessons)
        total, name = len(source.keys), self.config.name
        if not known.keys:
            raise ValueError(
                f"stage {name!r}: teacher {self.config.teacher!r} has answers about none of {total} samples"
            )
        report(
            f"{name}: {len(known.keys)} of {total} samples have answers of {self.lessons.info.teacher}, "
            f"{total - len(known.keys)} are left out"
        )
        report(f"{name}: answers are learned from {self.teaching.describe()}")
        return known

    def builder(self) -> Build:
        return DistillBuild(
            self.data,
            self.config,
            self.labels,
            self.lessons,
            area=self.area,
            multiple=self.multiple,
            stride=self.stride,
        )

    def losses(self, student: Student, batch: JointBatch) -> Losses:
        assert isinstance(batch, DistillBatch)
        seen, taught = batch.perception, batch.taught
        learns = any(p.requires_grad for m in PERCEPTION_PARTS for p in getattr(student, m).parameters())
        with torch.set_grad_enabled(learns):
            perception = perceive_batch(student, seen)
        objects = student.objects(perception)
        texts = [
            link_names_to_objects(
                questions, scene, match_objects(objects, b, scene, self.label_index), self.label_index
            )
            for b, (questions, scene) in enumerate(zip(batch.questions, batch.scenes, strict=True))
        ]
        found = self.teaching.losses(
            student,
            student.prefix(perception, stop_gradient=not learns),
            texts,
            batch.questions,
            taught.answers,
            places=objects.score.shape[1],
        )
        said: dict[str, Tensor | None] = {}
        if learns:
            found |= perception_losses(perception, seen)
            said |= dense_losses(perception, seen, taught) | box_losses(perception, seen, taught)
            if batch.second is not None:
                views = batch.second
                up = views.up if seen.up_given else None
                said["multi_view"] = multi_view_loss(
                    perception, student.perceive(views.images, views.intrinsics, up), views
                )
        return found | drop_absent(said)
