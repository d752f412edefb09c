"""The joint stage: questions on what the student itself perceives, with its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.outputs import ObjectSet, QuestionText
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import PERCEPTION_PARTS, TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.mixture import Folders, open_split
from distill3d_ros.training.data.reading import KeyedReader, evenly_spaced
from distill3d_ros.training.inputs.augmentation import augment_batch, resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.batch_builder import BatchBuilder
from distill3d_ros.training.inputs.object_matching import link_names_to_objects, match_objects
from distill3d_ros.training.inputs.question_sampling import Balance, balance_from_data, sample_questions
from distill3d_ros.training.inputs.targets import PerceptionBatch, perceive_batch, perceive_views, training_batch
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.losses.supervised import (
    LANGUAGE_LOSSES,
    PERCEPTION_LOSSES,
    Losses,
    language_losses,
    perception_losses,
)
from distill3d_ros.training.stages.answer_accuracy import AnswerAccuracy


@dataclass(kw_only=True, slots=True)
class JointBatch:
    """Images with their truth, and questions about each."""

    perception: PerceptionBatch
    scenes: list[Scene]
    questions: list[list[Question]]

    def to(self, device: torch.device) -> JointBatch:
        return JointBatch(perception=self.perception.to(device), scenes=self.scenes, questions=self.questions)


class JointBuilder(BatchBuilder[KeyedReader, JointBatch]):
    """Reads and augments images, and asks about what they show."""

    def __init__(
        self, data: Folders, config: StageConfig, labels: Sequence[str], balance: Balance, stride: int
    ) -> None:
        super().__init__(partial(KeyedReader, data, "train"))
        self.config, self.balance, self.stride = config, balance, stride
        self.label_index = {name: i for i, name in enumerate(labels)}
        self.real = config.augmentation_of_real

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> JointBatch:
        views = augment_batch((self.reader[key] for key in keys), self.config.augment, rng, real=self.real)
        scenes = [v.scene for v in views]
        return JointBatch(
            perception=training_batch(views, self.config, self.label_index, stride=self.stride, rng=rng),
            scenes=scenes,
            questions=[sample_questions(s, self.balance, self.config.questions_per_scene, rng) for s in scenes],
        )


class JointStage(Stage):
    """Questions on the student's own perception, which stays as it is unless ``lr_scales`` let it learn too."""

    loss_names: tuple[str, ...] = (*LANGUAGE_LOSSES, *PERCEPTION_LOSSES)
    modules = TRAINED_PARTS["joint"]

    def __init__(
        self, config: StageConfig, data: Folders, out: Path, labels: Sequence[str], *, stride: int, workers: int
    ) -> None:
        self.config, self.data, self.labels = config, data, tuple(labels)
        self.stride, self.workers = stride, workers
        self.label_index = {name: i for i, name in enumerate(labels)}
        self.balance = balance_from_data(data, out)

    def builder(self) -> Build:
        return JointBuilder(self.data, self.config, self.labels, self.balance, self.stride)

    def losses(self, student: Student, batch: JointBatch) -> Losses:
        learns = perception_learns(student)
        with torch.set_grad_enabled(learns):
            perception = perceive_batch(student, batch.perception, semantics=learns)
        found = perception_losses(perception, batch.perception) if learns else {}
        objects = student.objects(perception)
        questions = student.collate(self.linked_questions(objects, batch), objects.score.shape[1])
        output = student.read(student.prefix(perception, stop_gradient=not learns), questions)
        return found | language_losses(output, questions)

    def linked_questions(self, objects: ObjectSet, batch: JointBatch) -> list[list[QuestionText]]:
        """The batch's questions, their names linked to the objects that the student found."""
        return [
            link_names_to_objects(
                questions, scene, match_objects(objects, b, scene, self.label_index), self.label_index
            )
            for b, (questions, scene) in enumerate(zip(batch.questions, batch.scenes, strict=True))
        ]

    def validate(self, student: Student) -> dict[str, float]:
        """Accuracy of the answers about validation images."""
        rng = np.random.default_rng(7)
        reader = open_split(self.data, "val")
        if len(reader) == 0:
            return {}
        accuracy = AnswerAccuracy()
        for i in evenly_spaced(len(reader), self.config.validate_samples):
            view = resize_uncropped(
                view_from_sample(reader[i]), area=student.config.image_area, multiple=student.multiple
            )
            questions = sample_questions(view.scene, self.balance, 16, rng)
            if questions:
                with torch.inference_mode():
                    prefix = student.prefix(perceive_views(student, [view]))
                accuracy.ask(student, prefix, questions)
        return accuracy.figures("seen")


def perception_learns(student: Student) -> bool:
    """Whether any parameter of the encoder or of a perception head is trained."""
    return any(p.requires_grad for part in PERCEPTION_PARTS for p in getattr(student, part).parameters())
