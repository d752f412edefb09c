"""Groups of 3D-FRONT houses as shards: which house goes where, and the pictures of their rooms."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.training.data.generation.generation_plan import BUILD_ORDER
from distill3d_ros.training.data.generation.room_frames import pictures
from distill3d_ros.training.data.importers.front3d.furniture_models import FrontError, FrontModels, stable_fraction
from distill3d_ros.training.data.importers.front3d.house import House, read_house
from distill3d_ros.training.data.importers.front3d.rooms import RoomSkippedError, front_room
from distill3d_ros.training.data.manifest import DEFAULT_RENDERER, ShardInfo
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardWriter, shard_name
from distill3d_ros.worlds.cameras import sample_cameras
from distill3d_ros.worlds.furniture.furniture_model import Split
from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.interface import RendererKind

HOUSE_SHARES = {"test_unseen": 0.1, "test_known": 0.05, "val": 1 / 60}
"""Of the houses; training has the rest. ``test_unseen`` keeps only rooms with enough held-out models, hence more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings that determine the pictures of a house, beside its files."""

    models: Path
    frames_per_room: int
    size: tuple[int, int]
    """Width and height of a picture, pixels."""
    seed: int
    min_fill: float
    renderer: RendererKind = DEFAULT_RENDERER


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseGroup:
    """The houses of one shard."""

    split: str
    number: int
    first_house: int
    """The number of its first house among those of its split."""
    houses: tuple[Path, ...]

    @property
    def file(self) -> str:
        return shard_name(self.split, self.number)


@dataclass(slots=True, kw_only=True)
class GroupReport:
    """Results of the houses of one shard."""

    houses: int
    rooms: int = 0
    """Rooms with pictures in the shard; it has no file where there are none."""
    frames: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Reason -> rooms (or whole houses) that are not in it."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason -> things that are missing from its rooms."""
    errors: list[str] = field(default_factory=list)
    """Files that are missing or damaged, one line each."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, in a fixed order."""
        sorted_counts = {name: dict(sorted(getattr(self, name).items())) for name in ("skipped", "left_out")}
        return {**asdict(self), **sorted_counts}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> GroupReport:
        return cls(**{**data, "skipped": Counter(data["skipped"]), "left_out": Counter(data["left_out"])})


def split_of_house(name: str) -> str:
    """The split of the rooms of a house, from the hash of its uid."""
    place = stable_fraction(f"3D-FRONT/{name}")
    for split, share in HOUSE_SHARES.items():
        if place < share:
            return split
        place -= share
    return "train"


def house_groups(houses: Sequence[Path], houses_per_shard: int) -> list[HouseGroup]:
    """All shards, small splits first; ``houses`` in any order."""
    by_split: dict[str, list[Path]] = {split: [] for split in BUILD_ORDER}
    for path in sorted(houses, key=lambda path: path.name):
        by_split[split_of_house(path.stem)].append(path)
    return [
        HouseGroup(split=split, number=number, first_house=first, houses=tuple(paths[first : first + houses_per_shard]))
        for split, paths in by_split.items()
        for number, first in enumerate(range(0, len(paths), houses_per_shard))
    ]


class ShardMaker:
    """Makes shards in one process: keeps the models and the graphics context for the next ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models = FrontModels(settings.models)
        self._renderer = make_renderer(settings.renderer, threads=0)

    def close(self) -> None:
        self._renderer.close()

    def make(self, folder: Path, group: HouseGroup) -> tuple[GroupReport, ShardInfo | None]:
        """Write one shard of ``folder``, unless none of its rooms can be used; nothing is left of it when that fails.

        Raises:
            OSError: a file cannot be read or written.
        """
        report, writer = GroupReport(houses=len(group.houses)), None
        with contextlib.ExitStack() as stack:
            for number, path in enumerate(group.houses, group.first_house):
                try:
                    house = read_house(path)
                except FrontError as error:
                    report.skipped["broken house"] += 1
                    report.errors.append(str(error))
                    continue
                for room in range(len(house.rooms)):
                    samples = self._room(house, room, f"{group.split}-{number:06d}-{room:03d}", group.split, report)
                    if samples and writer is None:
                        writer = stack.enter_context(
                            ShardWriter(
                                folder, split=group.split, number=group.number, first_room=group.first_house, rooms=0
                            )
                        )
                    for sample in samples:
                        assert writer is not None
                        writer.add(sample)
        if writer is None:
            return report, None
        assert writer.info is not None  # set when the block above ends well
        return report, replace(writer.info, rooms=report.rooms)

    def _room(self, house: House, number: int, key: str, split: str, report: GroupReport) -> list[Sample]:
        try:
            samples, left_out = self._samples(house, number, key, split)
        except RoomSkippedError as skipped:
            report.skipped[skipped.reason] += 1
            if skipped.detail:
                report.errors.append(f"{house.name}, room {_room_id(house, number)}: {skipped}")
            return []
        except (MemoryError, OSError):  # says nothing about this room
            raise
        except Exception as error:
            report.skipped["room failed"] += 1
            report.errors.append(f"{house.name}, room {_room_id(house, number)}: {type(error).__name__}: {error}")
            return []
        report.rooms += 1
        report.frames += len(samples)
        report.left_out += left_out
        return samples

    def _samples(self, house: House, number: int, key: str, split: str) -> tuple[list[Sample], Counter[str]]:
        settings = self._settings
        side: Split = "test" if split == "test_unseen" else "train"
        room, left_out = front_room(
            house, number, self._models, split=side, seed=settings.seed, min_fill=settings.min_fill
        )
        rng = np.random.default_rng([settings.seed, int(stable_fraction(house.name) * 2**32), number, 1])
        self._renderer.set_room(room)
        cameras = sample_cameras(room, rng, settings.frames_per_room, renderer=self._renderer, size=settings.size)
        if not cameras:
            raise RoomSkippedError("no worthwhile view")
        name = f"3D-FRONT/{house.name}/{_room_id(house, number)}"
        samples = pictures(room, cameras, rng, renderer=self._renderer, key=key, name=name, split=split)
        return samples, left_out


def _room_id(house: House, number: int) -> str:
    """The room's id in the house; its number where it has none."""
    room = house.rooms[number]
    return str(room.get("instanceid") or number) if isinstance(room, dict) else str(number)
