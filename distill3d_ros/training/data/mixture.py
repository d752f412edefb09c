"""One split of several data folders, read as if it were one."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final, Protocol

from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardReader

KINDS_OF_PICTURES: Final = ("real", "rendered")
Folders = tuple[Path, ...]
"""Data folders; the order is part of a run."""


class Reader(Protocol):
    """Samples in a fixed order, by number or key."""

    keys: list[str]

    def refresh(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> Sample: ...
    def scene(self, number: int) -> Scene: ...
    def index_of(self, key: str) -> int: ...


def open_split(folders: Sequence[Path], split: str) -> Reader:
    """The samples of a split in all folders, those of the first folder first.

    Raises:
        ShardError: a folder has no manifest, or is damaged.
    """
    if not folders:
        raise ValueError("data must name at least one folder. Got none")
    for i, folder in enumerate(folders):
        if folder.resolve() in {other.resolve() for other in folders[:i]}:
            raise ValueError(f"data names {folder} twice; name each folder once")
    return ShardReader(folders[0], split) if len(folders) == 1 else MixedReader(folders, split)


def open_part(folders: Sequence[Path], part: str) -> Reader:
    """The samples of a split; with ``val/real`` or ``val/rendered`` those of the folders that hold such pictures.

    Raises:
        ValueError: no folder holds such pictures in that split.
        ShardError: a folder has no manifest, or is damaged.
    """
    split, _, kind = part.partition("/")
    if not kind:
        return open_split(folders, split)
    readers = [ShardReader(folder, split) for folder in folders]
    chosen = [r.folder for r in readers if len(r) and r.scene(0).annotation.is_rendered == (kind == "rendered")]
    if not chosen:
        raise ValueError(f"no data folder has {kind} pictures in its split {split!r}")
    return open_split(chosen, split)


class RealKeys:
    """Tells the samples of real cameras from rendered ones, by their keys.

    What the first sample of a folder is its others are, too; it is looked at when it is there.
    """

    def __init__(self, folders: Sequence[Path], split: str) -> None:
        self._folders, self._split = tuple(folders), split
        self._known: dict[int, bool] = {}

    def __call__(self, key: str) -> bool:
        number = int(key.partition("/")[0]) if len(self._folders) > 1 else 0
        if number not in self._known:
            annotation = ShardReader(self._folders[number], self._split).scene(0).annotation
            self._known[number] = not annotation.is_rendered
        return self._known[number]


class MixedReader:
    """Several readers, one after the other; keys are those of the folders with the folder's number before them."""

    def __init__(self, folders: Sequence[Path], split: str) -> None:
        self._readers = [ShardReader(folder, split) for folder in folders]
        self._refuse_the_same_rooms()
        self._number()

    def refresh(self) -> int:
        """Takes in what was finished since in any of the folders; returns how many samples there are now."""
        for reader in self._readers:
            reader.refresh()
        self._number()
        return len(self)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, number: int) -> Sample:
        reader, own = self._place(number)
        return reader[own]

    def scene(self, number: int) -> Scene:
        """The truth without depth; decodes no image."""
        reader, own = self._place(number)
        return reader.scene(own)

    def index_of(self, key: str) -> int:
        place, _, own = key.partition("/")
        try:
            reader = int(place)
            return self._ends[reader] - len(self._readers[reader]) + self._readers[reader].index_of(own)
        except (ValueError, IndexError):
            raise KeyError(f"keys of several folders read <folder's number>/<key>. Got {key!r}") from None

    def _refuse_the_same_rooms(self) -> None:
        """Two folders of one seed share their rooms, whatever the numbers that were asked for."""
        seeds: dict[str, Path] = {}
        for reader in self._readers:
            seed = reader.manifest.recipe.get("seed")
            if seed is None or not len(reader):
                continue
            other = seeds.setdefault(str(seed), reader.folder)
            if other != reader.folder:
                raise ValueError(
                    f"{other} and {reader.folder} were both made with --seed {seed} and hold the same rooms of split "
                    f"{reader.split!r}; make one of them again with another --seed, or leave it out"
                )

    def _number(self) -> None:
        self._ends = list(accumulate(len(reader) for reader in self._readers))
        self.keys: list[str] = [f"{i}/{key}" for i, reader in enumerate(self._readers) for key in reader.keys]

    def _place(self, number: int) -> tuple[ShardReader, int]:
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} samples. Got number {number}")
        number %= len(self)
        i = bisect.bisect_right(self._ends, number)
        return self._readers[i], number - self._ends[i] + len(self._readers[i])
