"""Processes that make shards of 3D-FRONT houses, each with its own models and OpenGL context."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from distill3d_ros.system.worker_pool import JobDone, JobLost, WorkerPool
from distill3d_ros.training.data.importers.front3d.room_shards import GroupReport, HouseGroup, Settings, ShardMaker
from distill3d_ros.training.data.manifest import ShardInfo

Made = tuple[GroupReport, ShardInfo | None]


def make_shards(
    out: Path, settings: Settings, groups: Sequence[HouseGroup], workers: int, *, say: Callable[[str], None] = print
) -> Iterator[tuple[HouseGroup, GroupReport, ShardInfo | None]]:
    """Shards as they are finished, in any order; ``say`` takes a line for each one that is made again.

    Raises:
        WorkerError: a worker died again and again.
        OSError: a file cannot be read or written.
    """
    prepare = partial(prepare_worker, out, settings)
    pool: WorkerPool[HouseGroup, Made, None] = WorkerPool(
        prepare, workers, folder=out, describe=lambda group: group.file
    )
    with pool:
        for event in pool.run(groups):
            if isinstance(event, JobDone):
                yield (event.job, *event.result)
            elif isinstance(event, JobLost):
                say(f"a worker died {event.how}; {event.job.file} is made again")


def prepare_worker(out: Path, settings: Settings) -> Callable[[HouseGroup, Callable[[None], None]], Made]:
    """Called in a worker: loads what all its shards need, and returns what makes one."""
    maker = ShardMaker(settings)
    return lambda group, tell: maker.make(out, group)
