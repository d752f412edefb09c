"""The published division of the labelled frames: 795 to train with, 654 to test on; and the frames held out of the
795 to validate on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from distill3d_ros.training.data.importers.published_files import SourceError

FRAMES = 1449
LEAST_PLACES = 10
"""Of ``val``, where the file allows it: few places are all kitchens."""
_TEST = Path(__file__).with_name("test_frames.json")


def split_frames(
    number: int, scenes: Sequence[str] | None, *, split_file: Path | None, val_share: float
) -> dict[str, list[int]]:
    """``test``, ``val`` and ``train`` -> frames, numbered from 0.

    Args:
        number: of frames in the file.
        scenes: of every frame; frames of one scene are never in both ``train`` and ``val``.
        split_file: ``splits.mat`` of the published toolbox; without it the published numbers.
        val_share: of the training frames that ``val`` gets, about.

    Raises:
        SourceError: the file is not the published one, or its numbers are not those of frames.
    """
    train, test = _published(number) if split_file is None else _read_split(split_file, number)
    val = set(_held_out(train, scenes, val_share))
    return {"test": test, "val": sorted(val), "train": [i for i in train if i not in val]}


def _published(number: int) -> tuple[list[int], list[int]]:
    if number != FRAMES:
        raise SourceError(
            f"the published division is of {FRAMES} frames, and FILE has {number}; give --split-file, a splits.mat "
            "with trainNdxs and testNdxs"
        )
    test = [i - 1 for i in json.loads(_TEST.read_text())["frames"]]
    return sorted(set(range(number)) - set(test)), test


def _read_split(path: Path, number: int) -> tuple[list[int], list[int]]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise SourceError(f"{path} is read with scipy, which is not installed; run `pip install scipy`") from error
    try:
        data = loadmat(path)
        train, test = (sorted(int(i) - 1 for i in np.ravel(data[name])) for name in ("trainNdxs", "testNdxs"))
    except Exception as error:  # scipy has an error of its own for each kind of damage
        raise SourceError(
            f"--split-file must be splits.mat with trainNdxs and testNdxs. Got {path} ({error})"
        ) from error
    every = [*train, *test]
    if len(set(every)) != len(every) or not all(0 <= i < number for i in every):
        raise SourceError(f"{path} must hold different numbers from 1 to {number}. Got {len(every)} numbers")
    return train, test


def _held_out(train: Sequence[int], scenes: Sequence[str] | None, share: float) -> list[int]:
    """Whole stretches of frames that follow each other, and whole places: neighbours show the same room."""
    stretch_of: dict[int, int] = {}  # frame -> first frame of its stretch
    joined: dict[int, int] = {}  # first frame of a stretch -> that of the stretch that it shares a place with
    first_of_place: dict[str, int] = {}
    for i in train:
        stretch_of[i] = stretch_of.get(i - 1, i)
        joined.setdefault(stretch_of[i], stretch_of[i])
        if scenes is not None and scenes[i]:
            other = first_of_place.setdefault(place_of(scenes[i]), i)
            joined[_end(joined, stretch_of[i])] = _end(joined, stretch_of[other])
    groups: dict[int, list[int]] = {}
    for i in train:
        groups.setdefault(_end(joined, stretch_of[i]), []).append(i)
    wanted = share * len(train)
    held: list[int] = []
    shuffled = sorted(groups.values(), key=lambda members: sha256(f"{members[0]}".encode()).digest())
    for group in sorted(shuffled, key=lambda members: len(members) > wanted / LEAST_PLACES):
        if len(held) + len(group) <= wanted:
            held += group
    return sorted(held)


def _end(joined: Mapping[int, int], start: int) -> int:
    while joined[start] != start:
        start = joined[start]
    return start


def place_of(scene: str) -> str:
    """``living_room_0012b`` -> ``living_room_0012``: the letters count the parts of one recording."""
    return re.sub(r"(?<=\d)[a-z]$", "", scene)
