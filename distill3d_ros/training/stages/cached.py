"""The stage in which a language model learns from a perception that was computed once (``perception_cache``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from distill3d_ros.questions.question import Question
from distill3d_ros.student.outputs import LanguageInput, QuestionText, map_tensors
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer
from distill3d_ros.training.data.answers.teacher_cache import answers_sha256
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.inputs.perception_cache import PerceptionCache, perception_sha256, stacked
from distill3d_ros.training.inputs.teacher_targets import Lessons
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.losses.answer_distillation import AnswerDistillation
from distill3d_ros.training.losses.supervised import ANSWER_LOSSES, LANGUAGE_LOSSES, Losses, language_losses


@dataclass(kw_only=True, slots=True)
class CachedBatch:
    """What was seen of B views, and the questions about each."""

    language_input: LanguageInput
    questions: list[list[QuestionText]]
    said: list[list[tuple[Question, TeacherAnswer]]] | None = None
    """What each question means and what the teacher said to it, where there is one."""

    def to(self, device: torch.device) -> CachedBatch:
        return replace(self, language_input=map_tensors(self.language_input, lambda x: x.to(device)))


class CachedBuild:
    """Reads kept views and draws a round of their questions."""

    def __init__(self, folder: Path, questions_per_scene: int, lessons: Lessons | None = None) -> None:
        self.folder, self.questions_per_scene, self.lessons = folder, questions_per_scene, lessons
        self._views: PerceptionCache | None = None

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> CachedBatch:
        if self._views is None:
            self._views = PerceptionCache(self.folder)
        views = [self._views[key] for key in keys]
        questions, said = [], []
        for view in views:
            asked = view.rounds[int(rng.integers(len(view.rounds)))]
            taken = rng.permutation(len(asked))[: self.questions_per_scene]
            questions.append([asked[i] for i in taken])
            if self.lessons is not None:
                lesson = self.lessons[view.sample]
                said.append([(lesson.questions[i], lesson.answers[i]) for i in taken])
        language_input = stacked([v.language_input for v in views])
        return CachedBatch(
            language_input=language_input, questions=questions, said=None if self.lessons is None else said
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_views": None}


class CachedStage:
    """Questions on what the frozen perception of this student saw before; a teacher may have answered them too.

    Args:
        lessons: the answers that were asked for where the perception was kept.

    Raises:
        ValueError: no perception is kept there, or another student's, or without this teacher.
    """

    modules: tuple[str, ...] = TRAINED_PARTS["cached"]

    def __init__(self, config: StageConfig, student: Student, lessons: Lessons | None = None) -> None:
        folder = perception_folder(config)
        self.config, self.workers, self.lessons = config, config.workers, lessons
        self.train, self.val = folder / "train", folder / "val"
        info = PerceptionCache(self.train).info
        if info["perception_sha256"] != perception_sha256(student):
            raise ValueError(
                f"stage {config.name!r}: {folder} holds what another student perceived than the one that learns. Set "
                "`perception` to the student that it was made with"
            )
        self.loss_names: tuple[str, ...] = LANGUAGE_LOSSES
        self.own: nn.Module | None = None
        if lessons is not None:
            if info.get("teacher") != answers_sha256(Path(config.teacher)):
                raise ValueError(
                    f"stage {config.name!r}: the perception in {folder} was not kept with the answers in "
                    f"{config.teacher}. Set perception.teacher to the stage's teacher, and delete {folder}"
                )
            self.teaching = AnswerDistillation(config, lessons.info, student)
            self.own = self.teaching.own
            self.loss_names = (*LANGUAGE_LOSSES, *ANSWER_LOSSES)

    def builder(self) -> Build:
        return CachedBuild(self.train, self.config.questions_per_scene, self.lessons)

    def losses(self, student: Student, batch: CachedBatch) -> Losses:
        prefix, places = student.prefix(batch.language_input), batch.language_input.objects.score.shape[1]
        if batch.said is None:
            asked = student.collate(batch.questions, places)
            return language_losses(student.read(prefix, asked), asked)
        meant = [[question for question, _ in scene] for scene in batch.said]
        answers = [[answer for _, answer in scene] for scene in batch.said]
        return self.teaching.losses(student, prefix, batch.questions, meant, answers, places=places)

    def validate(self, student: Student) -> dict[str, float]:
        """Cross-entropy of the true answers about validation views, nats a token, mean over the views."""
        views, losses = PerceptionCache(self.val), []
        device = next(student.parameters()).device
        for i in evenly_spaced(len(views), self.config.validate_samples):
            view = views[i]
            if view.rounds[0]:
                batch = CachedBatch(language_input=view.language_input, questions=[list(view.rounds[0])]).to(device)
                with torch.inference_mode():
                    losses.append(float(self.losses(student, batch)["text"]))
        return {"text": float(np.mean(losses))} if losses else {}


def perception_folder(config: StageConfig) -> Path:
    """Where the perception lies that a stage learns from.

    Raises:
        ValueError: the configuration does not name it.
    """
    if not config.perception_cache:
        raise ValueError(
            f"stage {config.name!r}: kind 'seen' needs perception_cache, the folder of a kept perception; "
            "`distill3d ablate` makes one and sets it"
        )
    return Path(config.perception_cache)
