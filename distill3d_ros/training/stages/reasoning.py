"""The reasoning stage: questions on true boxes with detector-like errors, without pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.outputs import ObjectSet, QuestionText, map_tensors
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, NoiseConfig, StageConfig
from distill3d_ros.training.data.mixture import Folders, open_split
from distill3d_ros.training.data.reading import KeyedReader, evenly_spaced
from distill3d_ros.training.inputs.augmentation import mirrored_scene
from distill3d_ros.training.inputs.batch_builder import BatchBuilder
from distill3d_ros.training.inputs.detector_noise import Detector, NoisyObjects
from distill3d_ros.training.inputs.question_sampling import (
    Balance,
    balance_from_data,
    choose_questions,
    phrase_questions,
    question_text,
)
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.losses.supervised import LANGUAGE_LOSSES, Losses, language_losses
from distill3d_ros.training.stages.answer_accuracy import AnswerAccuracy


@dataclass(kw_only=True, slots=True)
class ReasoningBatch:
    """Object tokens of B scenes and the questions about each."""

    objects: ObjectSet
    questions: list[list[QuestionText]]

    def to(self, device: torch.device) -> ReasoningBatch:
        return replace(self, objects=map_tensors(self.objects, lambda x: x.to(device)))


class ReasoningBuilder(BatchBuilder[KeyedReader, ReasoningBatch]):
    """Reads scenes without their images and asks about them."""

    def __init__(
        self, data: Folders, config: StageConfig, labels: Sequence[str], balance: Balance, max_objects: int
    ) -> None:
        super().__init__(partial(KeyedReader, data, "train"))
        self.config, self.balance = config, balance
        self.label_index = {name: i for i, name in enumerate(labels)}
        self.detector = Detector(
            config.noise, labels, max_objects=max_objects, min_visible_pixels=config.min_visible_pixels
        )

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> ReasoningBatch:
        reports, questions = [], []
        for key in keys:
            scene = self.reader.scene(key)
            if rng.random() < 0.5:
                scene = mirrored_scene(scene)
            report = self.detector.observe(scene, rng)
            reports.append(report)
            questions.append(questions_on_report(scene, report, self.balance, self.config, self.label_index, rng))
        return ReasoningBatch(objects=object_set(reports), questions=questions)


def questions_on_report(
    scene: Scene,
    report: NoisyObjects,
    balance: Balance,
    config: StageConfig,
    label_index: dict[str, int],
    rng: np.random.Generator,
) -> list[QuestionText]:
    """Questions about what a report of a scene holds, linked to the reports of the objects that are meant."""
    chosen = choose_questions(answerable(scene, report), balance, config.questions_per_scene, rng, config.family_shares)
    asked = phrase_questions(chosen, rng)

    def members(label: str) -> tuple[int, ...] | None:
        numbers: tuple[int, ...] = ()
        for o in scene.labelled(label):
            numbers += report.found(o.id)
        return numbers

    return [question_text(q, label_index, report.found, members) for q in asked]


def answerable(scene: Scene, report: NoisyObjects) -> list[GroundTruthQA]:
    """Facts about things that were found; nobody can answer for what was missed."""
    found = set(report.origin.tolist())
    return [
        f
        for f in question_candidates(scene)
        if all(i in found for i in (*f.object_ids, *f.answer.object_ids) if i is not None)
    ]


def object_set(reports: Sequence[NoisyObjects]) -> ObjectSet:
    """The reports of several scenes, padded to one number of objects."""
    n = max(1, max(len(r.score) for r in reports))
    classes = reports[0].class_probs.shape[1]
    b = len(reports)
    out = ObjectSet(
        center=torch.zeros(b, n, 3),
        size=torch.ones(b, n, 3),
        yaw=torch.zeros(b, n),
        class_probs=torch.zeros(b, n, classes),
        score=torch.zeros(b, n),
        mask=torch.zeros(b, n, dtype=torch.bool),
    )
    for i, r in enumerate(reports):
        m = len(r.score)
        for name in ("center", "size", "yaw", "class_probs", "score"):
            getattr(out, name)[i, :m] = torch.from_numpy(getattr(r, name))
        out.mask[i, :m] = True
    return out


class ReasoningStage(Stage):
    """Questions on noisy true boxes, without pixels."""

    loss_names = LANGUAGE_LOSSES
    modules = TRAINED_PARTS["reasoning"]

    def __init__(
        self, config: StageConfig, data: Folders, out: Path, labels: Sequence[str], *, max_objects: int, workers: int
    ) -> None:
        self.config, self.data, self.labels = config, data, tuple(labels)
        self.max_objects, self.workers = max_objects, workers
        self.balance = balance_from_data(data, out)

    def builder(self) -> Build:
        return ReasoningBuilder(self.data, self.config, self.labels, self.balance, self.max_objects)

    def losses(self, student: Student, batch: ReasoningBatch) -> Losses:
        prefix = student.prefix_from_objects(batch.objects)
        questions = student.collate(batch.questions, batch.objects.score.shape[1])
        return language_losses(student.read(prefix, questions), questions)

    def validate(self, student: Student) -> dict[str, float]:
        """Accuracy of the answers on validation scenes, with and without noise."""
        figures: dict[str, float] = {}
        for name, noise in (("clean", NoiseConfig(clean=1.0)), ("noisy", self.config.noise)):
            detector = Detector(noise, self.labels, max_objects=self.max_objects)
            figures |= self._accuracy(student, detector, name)
        return figures

    def _accuracy(self, student: Student, detector: Detector, name: str) -> dict[str, float]:
        rng = np.random.default_rng(7)
        reader = open_split(self.data, "val")
        accuracy = AnswerAccuracy()
        for i in evenly_spaced(len(reader), self.config.validate_samples):
            scene = reader.scene(i)
            report = detector.observe(scene, rng)
            asked = phrase_questions(choose_questions(answerable(scene, report), self.balance, 16, rng), rng)
            if asked and len(report.score):
                objects = ReasoningBatch(objects=object_set([report]), questions=[]).to(
                    next(student.parameters()).device
                )
                accuracy.ask(student, student.prefix_from_objects(objects.objects), asked)
        return accuracy.figures(name)
