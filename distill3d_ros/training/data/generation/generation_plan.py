"""Plan of a generated data set: rooms of each split, their shards, and the recipe that determines their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distill3d_ros.training.data.manifest import DEFAULT_RENDERER
from distill3d_ros.training.data.sample import SIMULATED_SPLITS
from distill3d_ros.training.data.shards import shard_name
from distill3d_ros.worlds.rendering.interface import RendererKind

GENERATOR_VERSION = 8
"""Raise it when the same seed gives other rooms, cameras or pictures than before: layouts, lenses, light, effects.

8: training rooms are also seen from just above the floor.
7: some training rooms have a second one behind an open door, and most of what a training room holds fits its type;
several of its lamps cast shadows, and its colours are mostly those of real rooms.
Rooms of tests and validation, and their pictures, stayed what they were.
"""

ROOMS_PER_SHARD = 32
ONE_TEST_ROOM_IN = 20
ONE_VAL_ROOM_IN = 60
BUILD_ORDER = ("test_unseen", "test_known", "val", "train")
"""Small splits first: a training that starts while data is being made can be measured from its first hour."""

BYTES_PER_PIXEL = 0.67
"""Of a finished shard, all members together; measured on 1152 frames of 224 x 224."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencePlan:
    """Frames along a drive through each room, in place of single views."""

    frames: tuple[int, int] = (10, 60)
    """Fewest and most frames of a drive; how many is drawn for each."""
    interval: float = 0.5
    """Seconds between frames."""

    def __post_init__(self) -> None:
        low, high = self.frames
        if not 2 <= low <= high <= 100:
            raise ValueError(f"frames of a sequence must be (fewest, most) within 2 to 100. Got {self.frames}")
        if not 0.02 <= self.interval <= 10.0:
            raise ValueError(f"interval must lie between 0.02 and 10 seconds. Got {self.interval}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the bytes of a shard. Two folders with equal recipes have equal shards."""

    seed: int
    frames_per_room: int = 12
    size: tuple[int, int] = (224, 224)
    """Width and height of a picture, pixels."""
    rooms_per_shard: int = ROOMS_PER_SHARD
    furniture: str = ""
    """Names the furniture models by their content, see ``generate.furniture_fingerprint``."""
    generator_version: int = GENERATOR_VERSION
    renderer: RendererKind = DEFAULT_RENDERER
    """What draws the pictures, see ``worlds.rendering``."""
    sequence: SequencePlan | None = None
    """None for single views; else ``frames_per_room`` must be its largest number of frames."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more. Got {self.seed}")
        if not 1 <= self.frames_per_room <= 100:
            raise ValueError(f"frames_per_room must lie between 1 and 100. Got {self.frames_per_room}")
        if self.sequence is not None and self.frames_per_room != self.sequence.frames[1]:
            raise ValueError(f"frames_per_room must be {self.sequence.frames[1]} here. Got {self.frames_per_room}")
        if self.rooms_per_shard < 1:
            raise ValueError(f"rooms_per_shard must be at least 1. Got {self.rooms_per_shard}")
        if len(self.size) != 2 or not all(32 <= side <= 4096 for side in self.size):
            raise ValueError(f"size must be (width, height), each between 32 and 4096 pixels. Got {self.size}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, for the manifest; the renderer only where it is not the one of folders that name none."""
        entries = {**asdict(self), "size": list(self.size)}
        del entries["sequence"]
        if self.renderer == DEFAULT_RENDERER:
            del entries["renderer"]
        if self.sequence is not None:
            del entries["frames_per_room"]
            entries["sequence_frames"] = list(self.sequence.frames)
            entries["sequence_interval"] = self.sequence.interval
        return entries

    def bytes_per_frame(self) -> float:
        return BYTES_PER_PIXEL * self.size[0] * self.size[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardJob:
    """One shard to make: a run of rooms of one split."""

    split: str
    number: int
    first_room: int
    rooms: int

    @property
    def file(self) -> str:
        return shard_name(self.split, self.number)


def split_rooms(rooms: int) -> dict[str, int]:
    """Divide a number of rooms among the splits.

    One room in 20 goes to each of the two tests and one in 60 to validation, at least one each, and whole shards once
    there are enough for that; training gets the rest. 1952 rooms give 96, 96, 32 and 1728.
    """
    if rooms < len(SIMULATED_SPLITS):
        raise ValueError(
            f"rooms must be at least {len(SIMULATED_SPLITS)}, one for each of {', '.join(SIMULATED_SPLITS)}. "
            f"Got {rooms}"
        )
    test, val = _share(rooms, ONE_TEST_ROOM_IN), _share(rooms, ONE_VAL_ROOM_IN)
    return {"test_known": test, "test_unseen": test, "val": val, "train": rooms - 2 * test - val}


def _share(rooms: int, one_in: int) -> int:
    share = max(1, rooms // one_in)
    return share if share < ROOMS_PER_SHARD else share - share % ROOMS_PER_SHARD


def planned_rooms(rooms: int | Mapping[str, int]) -> dict[str, int]:
    """Rooms of each split, from their total or from explicit numbers; a split that is not named gets none."""
    if not isinstance(rooms, Mapping):
        return split_rooms(rooms)
    unknown = [split for split in rooms if split not in SIMULATED_SPLITS]
    if unknown:
        raise ValueError(f"rooms: splits are {', '.join(SIMULATED_SPLITS)}. Got {', '.join(unknown)}")
    if any(count < 0 for count in rooms.values()) or not any(rooms.values()):
        raise ValueError(f"rooms must be 0 or more in each split, and not 0 in all. Got {dict(rooms)}")
    return {split: rooms.get(split, 0) for split in ("test_known", "test_unseen", "val", "train")}


def shard_jobs(planned: Mapping[str, int], rooms_per_shard: int) -> list[ShardJob]:
    """All shards of a data set in the order in which they are made; the last one of a split may be smaller."""
    return [
        ShardJob(split=split, number=number, first_room=first, rooms=min(rooms_per_shard, planned[split] - first))
        for split in BUILD_ORDER
        for number, first in enumerate(range(0, planned.get(split, 0), rooms_per_shard))
    ]
