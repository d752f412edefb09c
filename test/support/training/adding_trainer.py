"""A trainer that one process and several must run alike; as a program under torchrun, it is one of several."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from support.training.tiny_trainer import GrowingKeys
from torch import Tensor, nn

from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.loop.batches import Sampler
from distill3d_ros.training.loop.process_group import ProcessGroup, process_group_of_torchrun
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.loop.trainer import Trainer
from distill3d_ros.training.teachers.make_teacher import make_teacher
from distill3d_ros.training.teachers.teach import teach
from distill3d_ros.training.teachers.teach_options import AnswerOptions, TeacherOptions

STEPS = 30


class Net(nn.Module):
    """The second layer learns from some samples only, so that a process may have no gradient for it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoder = nn.Linear(4, 64)
        self.language = nn.Linear(64, 64)
        self.rare = nn.Linear(64, 1)


def build(keys: Sequence[str], rng: np.random.Generator) -> Tensor:
    return torch.stack([torch.from_numpy(np.random.default_rng(int(k[1:])).normal(size=4)).float() for k in keys])


class AddingStage(Stage):
    """Each loss is a mean over the samples of the batch: the mean over two halves is that over the whole."""

    loss_names = ("text", "names")
    modules = ("encoder", "language", "rare")

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause

    def builder(self) -> object:
        return build

    def losses(self, student: Net, batch: Tensor) -> dict[str, Tensor]:
        time.sleep(self.pause)
        hidden = torch.relu(student.encoder(batch))
        out = hidden + student.language(hidden)
        found = {"text": (out.mean(1) - batch.sum(1)).square().mean()}
        rare = batch[:, 0] > 1.0
        if rare.any():
            found["names"] = (student.rare(hidden[rare])[:, 0] - 1).square().sum() / len(batch)
        return found

    def validate(self, student: Net) -> dict[str, float]:
        return {"weight": student.encoder.weight.sum().item()}


def make_trainer(
    folder: Path, processes: ProcessGroup | None = None, *, pause: float = 0.0, **changes: object
) -> Trainer:
    settings: dict[str, object] = {
        "name": "adding",
        "kind": "reasoning",
        "steps": STEPS,
        "batch_size": 4,
        "lr": 0.01,
        "warmup_steps": 2,
        "precision": "fp32",
        "log_every": 1,
        "validate_every": 10,
        **changes,
    }
    config = StageConfig(**settings)  # type: ignore[arg-type]
    return Trainer(
        config,
        Net(),  # type: ignore[arg-type]
        AddingStage(pause),  # type: ignore[arg-type]
        Sampler(GrowingKeys(26), config.batch_size, 1),
        folder,
        seed=1,
        device=torch.device("cpu"),
        report=lambda _: None,
        processes=processes,
    )


def train(folder: Path, processes: ProcessGroup, *, pause: float = 0.0, **changes: object) -> Trainer:
    trainer = make_trainer(folder, processes, pause=pause, **changes)
    trainer.run()
    return trainer


def _learn(out: Path, group: ProcessGroup, pause: str = "0", parts: str = "1") -> None:
    student = train(out, group, pause=float(pause), accumulate=int(parts)).student
    save_file(student.state_dict(), out / f"rank{group.rank}.safetensors")


def _teach(out: Path, group: ProcessGroup, model: str, data: str, settings: str) -> None:
    teacher = make_teacher(TeacherOptions(teacher="privileged", model=model, device="cpu"))
    options = AnswerOptions(data=(Path(data),), out=out, **json.loads(settings))
    teach(teacher, options, shard_samples=1, group=group)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with process_group_of_torchrun(torch.device("cpu")) as processes_of_torchrun:
        if sys.argv[2:3] == ["teach"]:
            _teach(Path(sys.argv[1]), processes_of_torchrun, *sys.argv[3:])
        else:
            _learn(Path(sys.argv[1]), processes_of_torchrun, *sys.argv[2:])
