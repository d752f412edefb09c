"""Processes that make shards. Each has its own OpenGL context, ends with its parent and leaves no partial file."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from distill3d_ros.system.files import remove_partial_files
from distill3d_ros.system.memory import peak_rss_mib, trim_heap
from distill3d_ros.system.processes import ignore_interrupts
from distill3d_ros.training.data.generation.generation_plan import Recipe, ShardJob
from distill3d_ros.training.data.manifest import ShardInfo

RETRIES = 2
"""How often a shard is made again whose worker died."""
PATIENCE_S = 5.0

# One process a core already: threads inside would only fight for them. Read when the libraries are loaded.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LP_NUM_THREADS": "0"}


class WorkerError(ValueError):
    """A worker cannot do its work; the message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDone:
    """A room was added to a shard that is being made."""

    job: ShardJob
    frames: int
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardDone:
    """A shard lies finished in the folder."""

    job: ShardJob
    info: ShardInfo
    peak_mib: float
    """Memory that its worker held at most so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardLost:
    """A worker died; what it had done of its shard is gone, and the shard will be made again."""

    job: ShardJob
    how: str


Event = RoomDone | ShardDone | ShardLost


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """An exception in a worker, as values: not every exception can be sent to another process."""

    text: str
    errno: int | None = None
    file: str | None = None


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    connection: Connection
    job: ShardJob | None = None


@dataclass(slots=True)
class WorkerPool:
    """Makes shards in ``count`` processes. Leaving its ``with`` block ends them, whatever happened in it."""

    folder: Path
    recipe: Recipe
    count: int
    _workers: list[_Worker] = field(default_factory=list)

    def pids(self) -> list[int]:
        """Of the workers that run now."""
        return [worker.process.pid for worker in self._workers if worker.process.pid is not None]

    def __enter__(self) -> WorkerPool:
        return self

    def run(self, jobs: Sequence[ShardJob]) -> Iterator[Event]:
        """Make the shards and tell what happens.

        Raises:
            WorkerError: a worker fails, or a shard kills its worker again and again.
            OSError: the folder cannot be written to.
        """
        waiting, losses = deque(jobs), dict.fromkeys(jobs, 0)
        while waiting or any(worker.job for worker in self._workers):
            while len(self._workers) < min(self.count, len(waiting) + sum(w.job is not None for w in self._workers)):
                self._workers.append(self._start())
            for worker in self._workers:
                if worker.job is None and waiting:
                    self._give(worker, waiting.popleft())
            for worker in self._readable():
                event = self._receive(worker)
                if isinstance(event, ShardLost):
                    losses[event.job] += 1
                    if losses[event.job] > RETRIES:
                        raise WorkerError(
                            f"the worker that makes {event.job.file} died {losses[event.job]} times, {event.how}. "
                            "Is there enough memory? Fewer --workers need less"
                        )
                    waiting.appendleft(event.job)
                if event is not None:
                    yield event

    def _start(self) -> _Worker:
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=work, args=(there, str(self.folder), self.recipe), daemon=True)
        with _environment(_ONE_THREAD), _interrupts_kept():
            process.start()
        there.close()  # so that reading ends when the worker does
        return _Worker(process, here)

    def _give(self, worker: _Worker, job: ShardJob) -> None:
        worker.job = job
        with contextlib.suppress(OSError):  # it just died, which _receive reports
            worker.connection.send(job)

    def _readable(self) -> list[_Worker]:
        by_connection = {worker.connection: worker for worker in self._workers}
        return [by_connection[c] for c in wait(list(by_connection)) if isinstance(c, Connection)]

    def _receive(self, worker: _Worker) -> Event | None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if isinstance(message, _Failure):
            if message.errno is not None:
                raise OSError(message.errno, message.text, message.file or str(self.folder))
            raise WorkerError(message.text)
        if isinstance(message, ShardDone):
            worker.job = None
        return message

    def _bury(self, worker: _Worker) -> ShardLost | None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(PATIENCE_S)
        code = worker.process.exitcode
        remove_partial_files(self.folder, worker.process.pid)
        if worker.job is None:
            raise WorkerError(f"a worker ended before it made anything, with status {code}")
        how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
        return ShardLost(job=worker.job, how=how)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ignore_interrupts():
            for worker in self._workers:
                worker.connection.close()
                worker.process.terminate()
            for worker in self._workers:
                worker.process.join(PATIENCE_S)
                if worker.process.is_alive():
                    worker.process.kill()
                    worker.process.join()
                remove_partial_files(self.folder, worker.process.pid)
            self._workers.clear()


def work(connection: Connection, folder: str, recipe: Recipe) -> None:
    """A worker's life: make the shards that come through the connection until it is closed."""
    try:
        _make_shards(connection, Path(folder), recipe)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent wants no more, or is gone
    except OSError as error:
        _report(connection, _Failure(text=error.strerror or str(error), errno=error.errno, file=_name(error)))
    except Exception as error:
        _report(connection, _Failure(text=f"{type(error).__name__}: {error}"))


def _make_shards(connection: Connection, folder: Path, recipe: Recipe) -> None:
    import cv2

    from distill3d_ros.training.data.generation.room_frames import make_shard
    from distill3d_ros.worlds.furniture.pack import FurniturePack
    from distill3d_ros.worlds.rendering.factory import make_renderer

    cv2.setNumThreads(1)
    pack, renderer = FurniturePack.load(progress=False), make_renderer(recipe.renderer, threads=0)
    while True:
        job: ShardJob = connection.recv()

        def on_room(frames: int, trouble: str, job: ShardJob = job) -> None:
            connection.send(RoomDone(job=job, frames=frames, trouble=trouble))

        info = make_shard(folder, job, recipe, pack=pack, renderer=renderer, on_room=on_room)
        trim_heap()
        connection.send(ShardDone(job=job, info=info, peak_mib=peak_rss_mib()))


def _report(connection: Connection, failure: _Failure) -> None:
    with contextlib.suppress(OSError):  # the parent is gone; there is nobody to tell
        connection.send(failure)


def _name(error: OSError) -> str | None:
    return None if error.filename is None else str(error.filename)


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before: dict[str, Any] = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Ctrl-C goes to the whole process group. A child that starts in here never sees it; here it comes afterwards."""
    resource_tracker.ensure_running()  # starting a first child would start it, and it unblocks signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
