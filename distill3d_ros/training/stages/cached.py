"""The cached stage: questions on a perception that was computed once (``cache_perception``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from distill3d_ros.student.outputs import LanguageInput, QuestionText, map_tensors
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, StageConfig
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache, answers_sha256
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.inputs.batch_builder import BatchBuilder
from distill3d_ros.training.inputs.perception_cache import PerceptionCache, perception_sha256, stack_inputs
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.losses.answer_distillation import AnswerDistillation
from distill3d_ros.training.losses.supervised import ANSWER_LOSSES, LANGUAGE_LOSSES, Losses, language_losses


@dataclass(kw_only=True, slots=True)
class CachedBatch:
    """The cached perception of B views, and the questions about each."""

    language_input: LanguageInput
    questions: list[list[QuestionText]]
    teacher_answers: list[list[TeacherAnswer]] | None = None
    """To the same questions, where there is a teacher."""

    def to(self, device: torch.device) -> CachedBatch:
        return replace(self, language_input=map_tensors(self.language_input, lambda x: x.to(device)))


class CachedBuilder(BatchBuilder[PerceptionCache, CachedBatch]):
    """Reads cached views and draws a round of their questions."""

    def __init__(self, folder: Path, questions_per_scene: int, teacher_cache: TeacherCache | None = None) -> None:
        super().__init__(partial(PerceptionCache, folder))
        self.questions_per_scene, self.teacher_cache = questions_per_scene, teacher_cache

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> CachedBatch:
        views = [self.reader[key] for key in keys]
        questions: list[list[QuestionText]] = []
        teacher_answers: list[list[TeacherAnswer]] = []
        for view in views:
            round_of = view.rounds[int(rng.integers(len(view.rounds)))]
            asked = rng.permutation(len(round_of))[: self.questions_per_scene].tolist()
            questions.append([round_of[i] for i in asked])
            if self.teacher_cache is not None:
                cached = self.teacher_cache[view.sample]
                teacher_answers.append([cached.answers[i] for i in asked])
        return CachedBatch(
            language_input=stack_inputs([v.language_input for v in views]),
            questions=questions,
            teacher_answers=None if self.teacher_cache is None else teacher_answers,
        )


class CachedStage(Stage):
    """Questions on the cached perception of this student, whose encoder and heads are frozen.

    Args:
        teacher_cache: a teacher's answers to the questions that were cached with the perception.

    Raises:
        ValueError: no perception is cached there, or another student's, or without this teacher.
    """

    modules = TRAINED_PARTS["cached"]

    def __init__(self, config: StageConfig, student: Student, teacher_cache: TeacherCache | None = None) -> None:
        folder = perception_folder(config)
        self.config, self.workers, self.teacher_cache = config, config.workers, teacher_cache
        self.train, self.val = folder / "train", folder / "val"
        info = PerceptionCache(self.train).info
        if info["perception_sha256"] != perception_sha256(student):
            raise ValueError(
                f"stage {config.name!r}: {folder} holds the perception of another student than the one that is "
                "trained. Set `perception` to the student that it was made with"
            )
        self.loss_names = LANGUAGE_LOSSES
        if teacher_cache is not None:
            if info.get("teacher") != answers_sha256(Path(config.teacher)):
                raise ValueError(
                    f"stage {config.name!r}: the perception in {folder} was not cached with the answers in "
                    f"{config.teacher}. Set perception.teacher to the stage's teacher, and delete {folder}"
                )
            self.distillation = AnswerDistillation(config, teacher_cache.info, student)
            self.auxiliary_modules = self.distillation.auxiliary_modules
            self.loss_names = (*LANGUAGE_LOSSES, *ANSWER_LOSSES)

    def builder(self) -> Build:
        return CachedBuilder(self.train, self.config.questions_per_scene, self.teacher_cache)

    def losses(self, student: Student, batch: CachedBatch) -> Losses:
        prefix, max_objects = student.prefix(batch.language_input), batch.language_input.objects.score.shape[1]
        if batch.teacher_answers is None:
            questions = student.collate(batch.questions, max_objects)
            return language_losses(student.read(prefix, questions), questions)
        return self.distillation.losses(
            student, prefix, batch.questions, batch.teacher_answers, max_objects=max_objects
        )

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
    """Folder of the cached perception of a stage.

    Raises:
        ValueError: the configuration does not name it.
    """
    if not config.perception_cache:
        raise ValueError(
            f"stage {config.name!r}: kind 'cached' needs perception_cache, the folder of a cached perception; "
            "`distill3d ablate` makes one and sets it"
        )
    return Path(config.perception_cache)
