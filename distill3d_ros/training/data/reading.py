"""Samples read by key, of one data folder or of several."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from distill3d_ros.training.data.mixture import Folders, Reader, open_split


def open_when_ready(data: Folders, split: str, *, wait: bool, report: Callable[[str], None] = print) -> Reader:
    """A reader with at least one sample; with ``wait`` it is waited for, else its absence is an error."""
    told = False
    while True:
        problem = ""
        try:
            reader = open_split(data, split)
            if len(reader):
                return reader
            problem = f"{describe_folders(data)} has no samples of split {split!r} yet"
            remedy = f"Make data with `distill3d data generate --out {data[0]}`, or use --wait"
        except (FileNotFoundError, ValueError) as error:
            problem = str(error)
            remedy = "Use --wait where it is being made"
        if not wait:
            raise ValueError(f"{problem}. {remedy}")
        if not told:
            report(f"{problem}; waiting for the first shard")
            told = True
        time.sleep(5)


class KeyedReader:
    """Samples by key from folders that may grow meanwhile."""

    def __init__(self, data: Folders, split: str) -> None:
        self._reader = open_split(data, split)

    @property
    def keys(self) -> list[str]:
        """Of the samples that were there when a key was last looked up."""
        return self._reader.keys

    def __getitem__(self, key: str) -> Any:
        return self._reader[self._number(key)]

    def scene(self, key: str) -> Any:
        return self._reader.scene(self._number(key))

    def _number(self, key: str) -> int:
        try:
            return self._reader.index_of(key)
        except KeyError:
            self._reader.refresh()
            return self._reader.index_of(key)


def describe_folders(data: Folders) -> str:
    """The folders' paths in a sentence."""
    return " and ".join(map(str, data))


def evenly_spaced(n: int, most: int) -> list[int]:
    """At most so many numbers, evenly spread over 0..n-1."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, most))})
