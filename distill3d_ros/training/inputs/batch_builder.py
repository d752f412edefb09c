"""Base of the builders that turn the keys of samples into a batch, in this process or in worker processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

ReaderT = TypeVar("ReaderT")
BatchT = TypeVar("BatchT", covariant=True)


class BatchBuilder(ABC, Generic[ReaderT, BatchT]):
    """Builds batches from a reader that each process opens for itself.

    The reader is opened at the first batch, in the worker where there is one, and is left out when the builder is
    pickled: open files do not travel between processes.

    Args:
        open_reader: makes the reader; must be picklable for worker processes.
    """

    def __init__(self, open_reader: Callable[[], ReaderT]) -> None:
        self._open_reader = open_reader
        self._reader: ReaderT | None = None

    @property
    def reader(self) -> ReaderT:
        """This process's reader."""
        if self._reader is None:
            self._reader = self._open_reader()
        return self._reader

    @abstractmethod
    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> BatchT:
        """The batch of these samples; everything random in it comes from ``rng``."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}
