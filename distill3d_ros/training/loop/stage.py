"""What the training loop asks of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from distill3d_ros.student.student import Student
from distill3d_ros.training.loop.batches import Build
from distill3d_ros.training.losses.supervised import Losses


class Stage(Protocol):
    """What the trainer asks of a stage.

    It may also have ``own``, a module that learns beside the student and is kept in the run's checkpoints alone.
    """

    loss_names: tuple[str, ...]
    modules: tuple[str, ...]
    """Prefixes of the parameters that learn."""
    workers: int
    """Processes that build batches; 0 is one thread."""

    def builder(self) -> Build:
        """The function that turns keys into a batch, possibly in another process."""

    def losses(self, student: Student, batch: Any) -> Losses: ...

    def validate(self, student: Student) -> dict[str, float]:
        """Figures on samples that are not trained on; higher or lower is better as the name says."""


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch on a device, whatever it is made of."""
    if isinstance(batch, Tensor) or hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {k: to_device(v, device) for k, v in batch.items()}
    return batch
