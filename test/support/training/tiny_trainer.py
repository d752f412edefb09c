"""A student of two layers and a stage that teaches it to add, for the tests of the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill3d_ros.training.loop.stage import Stage


class TinyStudent(nn.Module):
    """Two parts, so that one can be frozen."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.encoder = nn.Linear(4, 8)
        self.language = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 1))


class GrowingKeys:
    """A data folder that can grow."""

    def __init__(self, n: int) -> None:
        self.keys = [f"s{i:03d}" for i in range(n)]
        self.arrivals: list[str] = []

    def refresh(self) -> int:
        self.keys, self.arrivals = self.keys + self.arrivals, []
        return len(self.keys)


def build_batch(keys: Sequence[str], rng: np.random.Generator) -> Tensor:
    x = torch.tensor([[float(int(k[1:]) % 7), float(int(k[1:]) % 3)] for k in keys])
    return torch.cat([x, torch.from_numpy(rng.normal(size=(len(keys), 2))).float()], 1)


class TinyStage(Stage):
    """Learns to add."""

    loss_names = ("text", "names")
    modules = ("encoder", "language")
    poison_at: int | None = None

    def __init__(self) -> None:
        self.calls = 0

    def builder(self) -> Any:
        return build_batch

    def losses(self, student: TinyStudent, batch: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        out = student.language(torch.relu(student.encoder(batch)))[:, 0]
        loss = (out.float() - batch.sum(1)).square().mean()
        if self.poison_at == self.calls:
            loss = loss * float("nan")
        return {"text": loss}

    def validate(self, student: TinyStudent) -> dict[str, float]:
        return {"weight": student.encoder.weight.sum().item()}
