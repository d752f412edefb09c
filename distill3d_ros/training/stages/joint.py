"""The last stage: the language model learns from what the student itself perceives, with its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill3d_ros.questions.question import Question
from distill3d_ros.questions.question_candidates import question_candidates
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import PERCEPTION_PARTS, TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.mixture import Folders, open_split
from distill3d_ros.training.data.reading import KeyedReader, evenly_spaced
from distill3d_ros.training.inputs.augmentation import View, augment, resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.object_matching import link_names_to_objects, match_objects
from distill3d_ros.training.inputs.question_sampling import Balance, balance_of, choose, worded
from distill3d_ros.training.inputs.targets import PerceptionBatch, perceive_batch, perception_batch, training_batch
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.losses.supervised import (
    LANGUAGE_LOSSES,
    PERCEPTION_LOSSES,
    Losses,
    language_losses,
    perception_losses,
)
from distill3d_ros.training.stages.reasoning import Accuracy


@dataclass(kw_only=True, slots=True)
class JointBatch:
    """Images with their truth, and questions about each."""

    perception: PerceptionBatch
    scenes: list[Scene]
    questions: list[list[Question]]

    def to(self, device: torch.device) -> JointBatch:
        return JointBatch(perception=self.perception.to(device), scenes=self.scenes, questions=self.questions)


class JointBuild:
    """Reads images and asks about what they show."""

    def __init__(
        self, data: Folders, config: StageConfig, labels: Sequence[str], balance: Balance, stride: int
    ) -> None:
        self.data, self.config, self.balance, self.stride = data, config, balance, stride
        self.label_index = {name: i for i, name in enumerate(labels)}
        self._reader: KeyedReader | None = None

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> JointBatch:
        if self._reader is None:
            self._reader = KeyedReader(self.data, "train")
        sizes = self.config.augment.sizes
        size = sizes[int(rng.integers(len(sizes)))]
        views = [augment(view_from_sample(self._reader[key]), self.config.augment, size, rng) for key in keys]
        scenes = [v.scene for v in views]
        return JointBatch(
            perception=training_batch(views, self.config, self.label_index, stride=self.stride, rng=rng),
            scenes=scenes,
            questions=[
                worded(choose(question_candidates(s), self.balance, self.config.questions_per_scene, rng), rng)
                for s in scenes
            ],
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}


class JointStage:
    """Questions on the student's own perception, which stays as it is unless ``lr_scales`` let it learn too."""

    loss_names: tuple[str, ...] = (*LANGUAGE_LOSSES, *PERCEPTION_LOSSES)
    modules: tuple[str, ...] = TRAINED_PARTS["joint"]

    def __init__(
        self, config: StageConfig, data: Folders, out: Path, labels: Sequence[str], *, stride: int, workers: int
    ) -> None:
        self.config, self.data, self.labels = config, data, tuple(labels)
        self.stride, self.workers = stride, workers
        self.label_index = {name: i for i, name in enumerate(labels)}
        self.balance = balance_of(data, out)

    def builder(self) -> Build:
        return JointBuild(self.data, self.config, self.labels, self.balance, self.stride)

    def losses(self, student: Student, batch: JointBatch) -> Losses:
        seen = batch.perception
        learns = any(p.requires_grad for m in PERCEPTION_PARTS for p in getattr(student, m).parameters())
        with torch.set_grad_enabled(learns):
            perception = perceive_batch(student, seen)
        found = perception_losses(perception, seen) if learns else {}
        objects = student.objects(perception)
        texts = [
            link_names_to_objects(
                questions, scene, match_objects(objects, b, scene, self.label_index), self.label_index
            )
            for b, (questions, scene) in enumerate(zip(batch.questions, batch.scenes, strict=True))
        ]
        asked = student.collate(texts, objects.score.shape[1])
        output = student.read(student.prefix(perception, stop_gradient=not learns), asked)
        return found | language_losses(output, asked)

    def validate(self, student: Student) -> dict[str, float]:
        """Accuracy of the answers about validation images."""
        rng = np.random.default_rng(7)
        reader = open_split(self.data, "val")
        accuracy = Accuracy()
        for i in evenly_spaced(len(reader), self.config.validate_samples):
            view = resize_uncropped(
                view_from_sample(reader[i]), area=student.config.image_area, multiple=student.multiple
            )
            asked = worded(choose(question_candidates(view.scene), self.balance, 16, rng), rng)
            if asked:
                accuracy.ask(student, _prefix(student, view, self.stride), asked)
        return accuracy.figures("seen")


def _prefix(student: Student, view: View, stride: int) -> Any:
    grid = (view.image.shape[0] // stride, view.image.shape[1] // stride)
    batch = perception_batch([view], {}, min_visible_pixels=0, grid=grid).to(next(student.parameters()).device)
    with torch.inference_mode():
        return student.prefix(perceive_batch(student, batch))
