"""A group of processes with the same model, each of which learns from its part of every batch.

``torchrun --nproc-per-node N --no-python distill3d train ...`` starts them; each GPU, or each core of a machine without
one, has its own. In training their gradients are averaged, so that they stay one student.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")
_PATIENCE = timedelta(hours=2)
"""The others wait while the first validates."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """Number of processes, and the rank of this one."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """The one that reports, validates and saves."""
        return self.rank == 0

    def part(self, keys: Sequence[str]) -> list[str]:
        """This process's part of a batch."""
        return list(keys[self.rank :: self.count])

    def average_gradients(
        self, parameters: Iterable[Tensor], losses: Mapping[str, float], names: Sequence[str]
    ) -> dict[str, float]:
        """Replaces each gradient by its mean over the processes, and returns the means of the losses.

        What only some have counts as 0 in the others; what nobody has stays absent, as with one process. ``names`` are
        those of all losses that there may be, the same in every process.
        """
        if self.count == 1:
            return dict(losses)
        learning = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in learning]
        having = learning[0].new_tensor([float(p.grad is not None) for p in learning])
        values = learning[0].new_tensor([[losses.get(name, 0.0), float(name in losses)] for name in names]).T
        flat = torch.cat([g.flatten() for g in gradients] + [having, values.flatten()])
        distributed.all_reduce(flat)
        sizes = [*(p.numel() for p in learning), len(learning), len(names), len(names)]
        *means, having, numbers, logged = (flat / self.count).split(sizes)
        for p, mean, present in zip(learning, means, having.tolist(), strict=True):
            p.grad = mean.view_as(p) if present else None
        return {name: x for name, x, there in zip(names, numbers.tolist(), logged.tolist(), strict=True) if there}

    def from_first(self, *numbers: float) -> list[float]:
        """The first process's numbers, in all of them: what depends on its clock or its signals is decided there."""
        if self.count == 1:
            return list(numbers)
        shared: list[list[float]] = [list(numbers)]
        distributed.broadcast_object_list(shared, src=0)
        return shared[0]

    def gather(self, one: T) -> list[T]:
        """The values of all processes, in the order of their ranks, in all of them."""
        if self.count == 1:
            return [one]
        everyone: list[Any] = [None] * self.count
        distributed.all_gather_object(everyone, one)
        return everyone

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def process_group_of_torchrun(device: torch.device) -> Iterator[ProcessGroup]:
    """The group that torchrun's environment variables describe; one process without them."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ProcessGroup()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)  # objects that are gathered travel over it
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield ProcessGroup(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()
