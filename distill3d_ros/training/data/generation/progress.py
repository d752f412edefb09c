"""Progress of data generation: a bar with speed and time left, or plain lines in a log file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from distill3d_ros.training.data.generation.generation_plan import Recipe, ShardJob
from distill3d_ros.training.data.generation.workers import RoomDone, ShardDone
from distill3d_ros.training.data.manifest import Manifest, ShardInfo


class GenerateProgress:
    """Tells how far the making of a data set is. A context manager around the work."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        jobs: Sequence[ShardJob],
        finished: Mapping[str, ShardInfo],
        *,
        workers: int,
    ) -> None:
        self._folder, self._recipe, self._workers = folder, recipe, workers
        self._rooms = sum(job.rooms for job in jobs)
        self._there = sum(shard.rooms for shard in finished.values())
        self._shards = len(jobs)
        self._shards_done = len(finished)
        self._rooms_of_shard: dict[str, int] = {}
        self._frames_of_shard: dict[str, int] = {}
        self._frames = 0
        self._peak_mib = 0.0
        self._started = time.monotonic()
        self._console = Console(soft_wrap=True, highlight=False)
        self._bar = Progress(
            TextColumn("rooms"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("elapsed, left:"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
            disable=not self._console.is_terminal,
            speed_estimate_period=600.0,  # rooms come in bursts, one from each worker
        )
        self._task = self._bar.add_task("", total=self._rooms, completed=self._there, speed="")

    def __enter__(self) -> GenerateProgress:
        frames = self._rooms * self._recipe.frames_per_room
        size = format_size(frames * self._recipe.bytes_per_frame())
        width, height = self._recipe.size
        there = f"; {self._there} rooms are there already" if self._there else ""
        self._console.print(
            f"{self._rooms} rooms, up to {frames} frames of {width} x {height}, about {size} in "
            f"{self._folder}, {self._workers} workers{there}"
        )
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._console.print(f"stopped with {self._shards_done} of {self._shards} shards; the same command goes on")

    def room_done(self, job: ShardJob, room: RoomDone) -> None:
        file = job.file
        self._rooms_of_shard[file] = self._rooms_of_shard.get(file, 0) + 1
        self._frames_of_shard[file] = self._frames_of_shard.get(file, 0) + room.frames
        self._frames += room.frames
        if room.trouble:
            self._console.print(f"room replaced: {room.trouble}")
        self._bar.update(self._task, advance=1, speed=self._speed())

    def shard_lost(self, job: ShardJob, how: str) -> None:
        self._console.print(f"a worker died {how}; {job.file} is made again")
        self._frames -= self._frames_of_shard.pop(job.file, 0)
        self._bar.update(self._task, advance=-self._rooms_of_shard.pop(job.file, 0))

    def shard_done(self, shard: ShardDone) -> None:
        self._shards_done += 1
        self._peak_mib = max(self._peak_mib, shard.peak_mib)
        if not self._console.is_terminal:
            self._console.print(
                f"{shard.info.file}: {shard.info.frames} frames; {self._shards_done} of {self._shards} shards, "
                f"{self._speed()}, {shard.peak_mib:.0f} MiB in its worker at most"
            )

    def finished(self, manifest: Manifest) -> None:
        counts = ", ".join(f"{split} {manifest.frames(split)}" for split in manifest.planned_rooms)
        size = format_size(sum(shard.bytes for shard in manifest.shards))
        speed = f"; {self._speed()}, {self._peak_mib:.0f} MiB in a worker at most" if self._frames else ""
        self._console.print(f"{self._folder}: {len(manifest.shards)} shards, {size}; frames: {counts}{speed}")

    def _speed(self) -> str:
        elapsed = max(time.monotonic() - self._started, 1e-3)
        return f"{self._frames / elapsed * 3600:,.0f} frames/h"


def format_size(size: float) -> str:
    """Bytes as a person reads them."""
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
