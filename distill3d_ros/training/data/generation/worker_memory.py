"""Memory of the workers that generate rooms: it must not grow with their number."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill3d_ros.system.worker_pool import JobProgress
from distill3d_ros.training.data.generation.generation_plan import Recipe, shard_jobs
from distill3d_ros.training.data.generation.workers import shard_workers
from distill3d_ros.worlds.rendering.factory import renderer_kind

WARM_UP = 0.5
"""Share of the rooms, the first ones, that do not count for the growth: a worker's caches fill."""
LEAST_ROOMS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLog:
    """Resident memory of one worker after each of its rooms."""

    mib: tuple[float, ...]
    seconds: float

    @property
    def growth(self) -> tuple[float, float]:
        """MiB per 1000 rooms after the warm-up, and its standard error: a least-squares line."""
        return growth(self.mib[int(WARM_UP * len(self.mib)) :])


def growth(mib: Sequence[float]) -> tuple[float, float]:
    """Slope of a line through values that are one room apart, times 1000, and the slope's standard error times 1000."""
    if len(mib) < 3:
        raise ValueError(f"a line with its error needs at least 3 rooms. Got {len(mib)}")
    rooms, values = np.arange(len(mib), dtype=float), np.asarray(mib, float)
    slope, start = np.polyfit(rooms, values, 1)
    spread = float(((rooms - rooms.mean()) ** 2).sum())
    error = np.sqrt(float(((values - start - slope * rooms) ** 2).sum()) / (len(mib) - 2) / spread)
    return 1000 * float(slope), 1000 * float(error)


def worker_memory(
    minutes: float,
    *,
    seed: int,
    rooms: int | None = None,
    frames_per_room: int = 12,
    size: tuple[int, int] = (224, 224),
) -> MemoryLog:
    """Lets one worker make training rooms, in shards that are thrown away, and watches its memory.

    Args:
        minutes: how long; or until it has made ``rooms``, if that is sooner.

    Raises:
        ValueError: so few rooms were made that nothing can be said.
    """
    if not minutes > 0:
        raise ValueError(f"--memory must be positive. Got {minutes}")
    recipe = Recipe(seed=seed, frames_per_room=frames_per_room, size=size, renderer=renderer_kind())
    mib: list[float] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, shard_workers(Path(folder), recipe, 1) as pool:
        for event in pool.run(shard_jobs({"train": 10**6}, recipe.rooms_per_shard)):
            if isinstance(event, JobProgress):
                mib.append(resident_mib(pool.pids()[0]))
            else:  # a shard is whole
                for file in Path(folder).glob("*"):
                    file.unlink(missing_ok=True)
            if time.monotonic() - started > 60 * minutes or len(mib) == rooms:
                break
    if len(mib) < LEAST_ROOMS:
        raise ValueError(f"{len(mib)} rooms in {minutes:g} minutes: give --memory more of them")
    return MemoryLog(mib=tuple(mib), seconds=time.monotonic() - started)


def resident_mib(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
