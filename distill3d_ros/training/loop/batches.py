"""Batches in an order that only the seed decides, prepared in the background, resumable at any step.

The data folder may still be growing: each epoch takes what is there when it begins.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from distill3d_ros.system.threads import ONE_THREAD

Build = Callable[[Sequence[str], np.random.Generator], Any]
"""Keys of the samples and a generator of their own -> a batch. Must be picklable for worker processes."""


class KeySource(Protocol):
    """A reader as the sampler uses it."""

    keys: list[str]

    def refresh(self) -> int: ...


class SampleOrder(Protocol):
    """Which samples come next, batch by batch."""

    def next(self) -> list[str]: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...
    def describe(self) -> str: ...


@dataclass(slots=True)
class Sampler:
    """Order of the samples: a new permutation each epoch."""

    source: KeySource
    batch_size: int
    seed: int
    epoch_samples: int = 0
    epoch: int = -1
    remaining: list[str] = field(default_factory=list)

    def next(self) -> list[str]:
        """The keys of the next batch."""
        return self.take(self.batch_size)

    def take(self, count: int) -> list[str]:
        """The next ``count`` keys; where an epoch ends they go on with the next one."""
        keys: list[str] = []
        while len(keys) < count:
            if not self.remaining:
                self._begin_epoch()
            take = count - len(keys)
            keys += self.remaining[:take]
            self.remaining = self.remaining[take:]
        return keys

    def state(self) -> dict[str, Any]:
        """State for a checkpoint, to resume at the very next sample."""
        return {"epoch": self.epoch, "remaining": "\n".join(self.remaining)}

    def restore(self, state: dict[str, Any]) -> None:
        if "epoch" not in state:
            raise ValueError("real_share must be given: the checkpoint is of a run with it. Or choose another --out")
        self.epoch = int(state["epoch"])
        self.remaining = state["remaining"].split("\n") if state["remaining"] else []

    def describe(self) -> str:
        """The epoch, in words."""
        return f"epoch {self.epoch}"

    def _begin_epoch(self) -> None:
        if self.source.refresh() == 0:
            raise ValueError("the data folder has no training samples; make some with `distill3d data generate`")
        self.epoch += 1
        order = np.random.default_rng([self.seed, 101, self.epoch]).permutation(len(self.source.keys))
        if self.epoch_samples:
            order = order[: self.epoch_samples]
        self.remaining = [self.source.keys[i] for i in order]


class Batches:
    """Prepares ``build(keys, rng)`` for the next steps while the current one is learned from.

    Args:
        first_step: number of the first batch that ``next`` gives; it decides the batch's random numbers.
        workers: processes that build batches; 0 builds in one thread of this process.
        ahead: how many batches are prepared in advance.
        part: what of the keys of a batch is built here, where several processes share it.
    """

    def __init__(
        self,
        sampler: SampleOrder,
        build: Build,
        *,
        seed: int,
        first_step: int = 0,
        workers: int = 0,
        ahead: int = 2,
        part: Callable[[list[str]], list[str]] = list,
    ) -> None:
        self._sampler, self._build, self._seed, self._part = sampler, build, seed, part
        self._step = first_step
        self._ahead = max(1, ahead, workers + 1 if workers else 1)
        self._queue: deque[tuple[Future[Any], dict[str, Any], list[str]]] = deque()
        self._executor: Executor
        if workers:
            context = multiprocessing.get_context("spawn")  # forking a process with torch threads may hang
            self._executor = ProcessPoolExecutor(
                workers, mp_context=context, initializer=_begin_worker, initargs=(build,)
            )
        else:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._in_processes = workers > 0

    def next(self) -> tuple[Any, dict[str, Any], list[str]]:
        """The next batch, the sampler's state after it, and the keys of its samples."""
        while len(self._queue) < self._ahead:
            self._submit()
        future, state, keys = self._queue.popleft()
        return future.result(), state, keys

    def close(self) -> None:
        """Stops the background work."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self) -> None:
        keys = self._part(self._sampler.next())
        seed = [self._seed, 202, self._step]
        self._step += 1
        future = (
            self._executor.submit(_build_in_worker, keys, seed)
            if self._in_processes
            else self._executor.submit(self._build, keys, np.random.default_rng(seed))
        )
        self._queue.append((future, self._sampler.state(), keys))


_worker_build: Build | None = None


def _begin_worker(build: Build) -> None:
    global _worker_build
    _worker_build = build
    os.environ.update(ONE_THREAD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the trainer ends the workers
    # What unpickling the arguments has loaded does not read the variables again.
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _build_in_worker(keys: Sequence[str], seed: list[int]) -> Any:
    assert _worker_build is not None
    return _worker_build(keys, np.random.default_rng(seed))
