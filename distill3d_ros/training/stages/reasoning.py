"""The stages in which the language model learns: without pixels, and on what the student itself perceives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill3d_ros.questions.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.question import Question, is_correct
from distill3d_ros.questions.question_candidates import question_candidates
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.outputs import ObjectSet, Prefix, QuestionText
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, NoiseConfig, StageConfig
from distill3d_ros.training.data.mixture import Folders, open_split
from distill3d_ros.training.data.reading import KeyedReader, evenly_spaced
from distill3d_ros.training.evaluation.grading import parse_answer
from distill3d_ros.training.inputs.augmentation import mirrored_scene
from distill3d_ros.training.inputs.detector_noise import Detector, NoisyObjects
from distill3d_ros.training.inputs.question_sampling import Balance, balance_of, choose, question_text, worded
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.losses.supervised import LANGUAGE_LOSSES, Losses, language_losses


@dataclass(kw_only=True, slots=True)
class ReasoningBatch:
    """Object tokens of B scenes and the questions about each."""

    objects: ObjectSet
    questions: list[list[QuestionText]]

    def to(self, device: torch.device) -> ReasoningBatch:
        moved = {
            f.name: v.to(device) if isinstance(v := getattr(self.objects, f.name), Tensor) else v
            for f in fields(self.objects)
        }
        return ReasoningBatch(objects=ObjectSet(**moved), questions=self.questions)


class ReasoningBuild:
    """Reads scenes without their images and asks about them."""

    def __init__(
        self, data: Folders, config: StageConfig, labels: Sequence[str], balance: Balance, places: int
    ) -> None:
        self.data, self.config, self.labels, self.balance = data, config, tuple(labels), balance
        self.label_index = {name: i for i, name in enumerate(labels)}
        self.detector = Detector(config.noise, labels, places=places, min_visible_pixels=config.min_visible_pixels)
        self._reader: KeyedReader | None = None

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> ReasoningBatch:
        if self._reader is None:
            self._reader = KeyedReader(self.data, "train")
        reports, questions = [], []
        for key in keys:
            scene = self._reader.scene(key)
            if rng.random() < 0.5:
                scene = mirrored_scene(scene)
            report = self.detector.observe(scene, rng)
            reports.append(report)
            questions.append(ask(scene, report, self.balance, self.config, self.label_index, rng))
        return ReasoningBatch(objects=object_set(reports), questions=questions)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}


def ask(
    scene: Scene,
    report: NoisyObjects,
    balance: Balance,
    config: StageConfig,
    label_index: dict[str, int],
    rng: np.random.Generator,
) -> list[QuestionText]:
    """Questions about what was found."""
    chosen = choose(answerable(scene, report), balance, config.questions_per_scene, rng, config.family_shares)
    asked = worded(chosen, rng)

    def members(label: str) -> tuple[int, ...] | None:
        places: tuple[int, ...] = ()
        for o in scene.labelled(label):
            places += report.found(o.id)
        return places

    return [question_text(q, label_index, report.found, members) for q in asked]


def answerable(scene: Scene, report: NoisyObjects) -> list[GroundTruthQA]:
    """Facts about things that were found; nobody can answer for what was missed."""
    there = set(report.origin.tolist())
    return [
        f
        for f in question_candidates(scene)
        if all(i in there for i in (*f.object_ids, *f.answer.object_ids) if i is not None)
    ]


def object_set(reports: Sequence[NoisyObjects]) -> ObjectSet:
    """Pads the reports of several scenes to one number of places."""
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


class ReasoningStage:
    """Questions on noisy true boxes, without pixels."""

    loss_names: tuple[str, ...] = LANGUAGE_LOSSES
    modules: tuple[str, ...] = TRAINED_PARTS["reasoning"]

    def __init__(
        self, config: StageConfig, data: Folders, out: Path, labels: Sequence[str], *, places: int, workers: int
    ) -> None:
        self.config, self.data, self.labels, self.places, self.workers = config, data, tuple(labels), places, workers
        self.balance = balance_of(data, out)

    def builder(self) -> Build:
        return ReasoningBuild(self.data, self.config, self.labels, self.balance, self.places)

    def losses(self, student: Student, batch: ReasoningBatch) -> Losses:
        prefix = student.prefix_from_objects(batch.objects)
        asked = student.collate(batch.questions, batch.objects.score.shape[1])
        return language_losses(student.read(prefix, asked), asked)

    def validate(self, student: Student) -> dict[str, float]:
        """Accuracy of the answers on validation scenes, with and without noise."""
        figures: dict[str, float] = {}
        for name, noise in (("clean", NoiseConfig(clean=1.0)), ("noisy", self.config.noise)):
            detector = Detector(noise, self.labels, places=self.places)
            figures |= self._accuracy(student, detector, name)
        return figures

    def _accuracy(self, student: Student, detector: Detector, name: str) -> dict[str, float]:
        rng = np.random.default_rng(7)
        reader = open_split(self.data, "val")
        accuracy = Accuracy()
        for i in evenly_spaced(len(reader), self.config.validate_samples):
            scene = reader.scene(i)
            report = detector.observe(scene, rng)
            asked = worded(choose(answerable(scene, report), self.balance, 16, rng), rng)
            if asked and len(report.score):
                objects = ReasoningBatch(objects=object_set([report]), questions=[]).to(
                    next(student.parameters()).device
                )
                accuracy.ask(student, student.prefix_from_objects(objects.objects), asked)
        return accuracy.figures(name)


class Accuracy:
    """Counts right answers by family."""

    def __init__(self) -> None:
        self._hits: dict[str, list[bool]] = defaultdict(list)

    def ask(self, student: Student, prefix: Prefix, questions: Sequence[Question]) -> None:
        with torch.inference_mode():
            said = student.answer(student.cache(prefix), [q.text for q in questions])
        for question, answer in zip(questions, said, strict=True):
            self._hits[question.family].append(is_correct(question, parse_answer(answer.text)))

    def figures(self, name: str) -> dict[str, float]:
        """Overall and by family."""
        every = [h for family in self._hits.values() for h in family]
        figures = {f"{name}_{family}": float(np.mean(h)) for family, h in sorted(self._hits.items())}
        return {f"{name}_accuracy": float(np.mean(every)) if every else float("nan"), **figures}
