"""Processes that make shards of simulated rooms, each with its own furniture and OpenGL context."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from distill3d_ros.system.memory import peak_rss_mib, trim_heap
from distill3d_ros.system.worker_pool import WorkerPool
from distill3d_ros.training.data.generation.generation_plan import Recipe, ShardJob
from distill3d_ros.training.data.manifest import ShardInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDone:
    """A room was added to a shard that is being made."""

    frames: int
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardDone:
    """A shard lies finished in the folder."""

    info: ShardInfo
    peak_mib: float
    """Memory that its worker held at most so far."""


def shard_workers(folder: Path, recipe: Recipe, count: int) -> WorkerPool[ShardJob, ShardDone, RoomDone]:
    """A pool of ``count`` processes that make shards in ``folder``."""
    return WorkerPool(partial(prepare_worker, folder, recipe), count, folder=folder, describe=lambda job: job.file)


def prepare_worker(folder: Path, recipe: Recipe) -> Callable[[ShardJob, Callable[[RoomDone], None]], ShardDone]:
    """Called in a worker: loads what all its shards need, and returns what makes one."""
    from distill3d_ros.training.data.generation.room_frames import make_shard
    from distill3d_ros.worlds.furniture.pack import FurniturePack
    from distill3d_ros.worlds.rendering.factory import make_renderer

    pack, renderer = FurniturePack.load(progress=False), make_renderer(recipe.renderer, threads=0)

    def make(job: ShardJob, tell: Callable[[RoomDone], None]) -> ShardDone:
        def on_room(frames: int, trouble: str) -> None:
            tell(RoomDone(frames=frames, trouble=trouble))

        info = make_shard(folder, job, recipe, pack=pack, renderer=renderer, on_room=on_room)
        trim_heap()
        return ShardDone(info=info, peak_mib=peak_rss_mib())

    return make
