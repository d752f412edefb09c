"""The base of the training stages: what the loop needs of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from distill3d_ros.student.student import Student
from distill3d_ros.training.loop.batches import Build, KeySource
from distill3d_ros.training.losses.supervised import Losses


class Stage(ABC):
    """A stage of training: its batches, losses and validation."""

    loss_names: tuple[str, ...]
    """Of all losses that a batch may have."""
    modules: tuple[str, ...]
    """Parts of the student that learn: prefixes of their parameters' names."""
    workers: int = 0
    """Processes that build batches; 0 is one thread."""
    auxiliary_modules: nn.Module | None = None
    """What learns beside the student and is kept in the run's checkpoints alone."""

    def training_samples(self, source: KeySource, report: Callable[[str], None]) -> KeySource:
        """Those of a source's samples that the stage can learn from; what it leaves out is reported.

        Raises:
            ValueError: there are none.
        """
        return source

    @abstractmethod
    def builder(self) -> Build:
        """The function that turns keys into a batch, possibly in another process."""

    @abstractmethod
    def losses(self, student: Student, batch: Any) -> Losses:
        """The losses of a batch, by name; those that it has no targets for are absent."""

    @abstractmethod
    def validate(self, student: Student) -> dict[str, float]:
        """Figures on samples that are not trained on; higher or lower is better as the name says."""


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch on a device, whatever it is made of."""
    if isinstance(batch, Tensor) or hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {k: to_device(v, device) for k, v in batch.items()}
    return batch
