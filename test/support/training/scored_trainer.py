"""A trainer with early stopping whose validation figures are given; as a program, it trains until it is killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
from support.training.tiny_trainer import GrowingKeys, TinyStage, TinyStudent

from distill3d_ros.training.config import StageConfig, StopEarlyConfig
from distill3d_ros.training.loop.batches import Sampler
from distill3d_ros.training.loop.trainer import Trainer

STEPS = 40


class Scored(TinyStage):
    """Validation figures from a list, one a validation."""

    def __init__(self, accuracies: list[float], pause: float = 0.0) -> None:
        super().__init__()
        self.accuracies, self.pause = accuracies, pause

    def losses(self, student: TinyStudent, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        time.sleep(self.pause)
        return super().losses(student, batch)

    def validate(self, student: TinyStudent) -> dict[str, float]:
        return {"seen_accuracy": self.accuracies.pop(0), "seen_contact": 0.5}


class FollowsTheWeights(Scored):
    """A figure that only the weights decide, so that a resumed run must see the same."""

    def validate(self, student: TinyStudent) -> dict[str, float]:
        return {"seen_accuracy": float(student.encoder.weight.detach().sum().sin())}


def make_trainer(folder: Path, stage: TinyStage, *, best: list[int] | None = None, **changes: Any) -> Trainer:
    settings: dict[str, Any] = {
        "name": "tiny",
        "kind": "joint",
        "steps": STEPS,
        "batch_size": 6,
        "accumulate": 2,
        "lr": 0.01,
        "warmup_steps": 2,
        "precision": "fp32",
        "weighting": "uncertainty",
        "log_every": 1,
        "validate_every": 2,
        "stop_early": StopEarlyConfig(figure="accuracy", patience=3),
        "best": True,
    }
    config = StageConfig(**{**settings, **changes})
    sampler = Sampler(GrowingKeys(13), config.batch_size, 1)
    kept: list[int] = [] if best is None else best
    return Trainer(
        config,
        TinyStudent(),  # type: ignore[arg-type]
        stage,  # type: ignore[arg-type]
        sampler,
        folder,
        seed=1,
        device=torch.device("cpu"),
        report=lambda _: None,
        on_best=lambda t: kept.append(t.step),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    stage = FollowsTheWeights([], pause=0.05)
    make_trainer(Path(sys.argv[1]), stage, validate_every=3, checkpoint_minutes=1e-9).run()
