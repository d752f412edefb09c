"""The stage in which a language model learns from a perception that was computed once (``perception_cache``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill3d_ros.student.outputs import QuestionText, Sight, map_tensors
from distill3d_ros.student.student import Student
from distill3d_ros.training.batches import Build, spread
from distill3d_ros.training.config import TRAINED_PARTS, StageConfig
from distill3d_ros.training.objectives import LANGUAGE_LOSSES, Losses, language_losses
from distill3d_ros.training.perception_cache import KeptViews, perception_sha256, stacked


@dataclass(kw_only=True, slots=True)
class SeenBatch:
    """What was seen of B views, and the questions about each."""

    sight: Sight
    questions: list[list[QuestionText]]

    def to(self, device: torch.device) -> SeenBatch:
        return SeenBatch(sight=map_tensors(self.sight, lambda x: x.to(device)), questions=self.questions)


class SeenBuild:
    """Reads kept views and draws a round of their questions."""

    def __init__(self, folder: Path, questions_per_scene: int) -> None:
        self.folder, self.questions_per_scene = folder, questions_per_scene
        self._views: KeptViews | None = None

    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> SeenBatch:
        if self._views is None:
            self._views = KeptViews(self.folder)
        views = [self._views[key] for key in keys]
        questions = []
        for view in views:
            asked = view.rounds[int(rng.integers(len(view.rounds)))]
            taken = rng.permutation(len(asked))[: self.questions_per_scene]
            questions.append([asked[i] for i in taken])
        return SeenBatch(sight=stacked([v.sight for v in views]), questions=questions)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_views": None}


class SeenStage:
    """Questions on what the frozen perception of this student saw before."""

    loss_names: tuple[str, ...] = LANGUAGE_LOSSES
    modules: tuple[str, ...] = TRAINED_PARTS["seen"]

    def __init__(self, config: StageConfig, student: Student) -> None:
        folder = perception_folder(config)
        self.config, self.workers = config, config.workers
        self.train, self.val = folder / "train", folder / "val"
        kept = KeptViews(self.train).info["perception_sha256"]
        if kept != perception_sha256(student):
            raise ValueError(
                f"stage {config.name!r}: {folder} holds what another student perceived than the one that learns. Set "
                "`perception` to the student that it was made with"
            )

    def builder(self) -> Build:
        return SeenBuild(self.train, self.config.questions_per_scene)

    def losses(self, student: Student, batch: SeenBatch) -> Losses:
        asked = student.collate(batch.questions, batch.sight.objects.score.shape[1])
        return language_losses(student.read(student.prefix(batch.sight), asked), asked)

    def validate(self, student: Student) -> dict[str, float]:
        """Cross-entropy of the true answers about validation views, nats a token, mean over the views."""
        views, losses = KeptViews(self.val), []
        device = next(student.parameters()).device
        for i in spread(len(views), self.config.validate_samples):
            view = views[i]
            if view.rounds[0]:
                batch = SeenBatch(sight=view.sight, questions=[list(view.rounds[0])]).to(device)
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
