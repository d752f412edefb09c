"""A pool of processes that do jobs: each ends with its parent and leaves no partial file."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from distill3d_ros.system.files import remove_partial_files
from distill3d_ros.system.processes import ignore_interrupts
from distill3d_ros.system.threads import ONE_THREAD

RETRIES = 2
"""How often a job is done again whose worker died."""
PATIENCE_S = 5.0

Job = TypeVar("Job")
Result = TypeVar("Result")
Progress = TypeVar("Progress")


class WorkerError(ValueError):
    """A worker cannot do its work; the message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress(Generic[Job, Progress]):
    """A worker tells how far a job is."""

    job: Job
    value: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone(Generic[Job, Result]):
    """A job is done."""

    job: Job
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLost(Generic[Job]):
    """A worker died; what it had done of its job is gone, and the job will be done again."""

    job: Job
    how: str


@dataclass(slots=True, eq=False)
class _Worker(Generic[Job]):
    process: SpawnProcess
    connection: Connection
    number: int = -1
    """Of its job among all jobs."""
    job: Job | None = None


class WorkerPool(Generic[Job, Result, Progress]):
    """Does jobs in ``count`` processes. Leaving its ``with`` block ends them, whatever happened in it."""

    def __init__(
        self,
        prepare: Callable[[], Callable[[Job, Callable[[Progress], None]], Result]],
        count: int,
        *,
        folder: Path,
        describe: Callable[[Job], str] = str,
        remedy: str = "Is there enough memory? Fewer --workers need less; the same command goes on",
    ) -> None:
        """
        Args:
            prepare: called once in each process; returns what does a job there. What it returns is called with the job
                and with a function that takes progress to the parent. Both must be picklable.
            count: processes, at most; there are never more than jobs.
            folder: where the jobs write; partial files of a worker that died are removed there.
            describe: a job in words, for messages.
            remedy: what a user can do about workers that die.
        """
        self._prepare, self._count, self._folder = prepare, count, folder
        self._describe, self._remedy = describe, remedy
        self._workers: list[_Worker[Job]] = []

    def pids(self) -> list[int]:
        """Of the workers that run now."""
        return [worker.process.pid for worker in self._workers if worker.process.pid is not None]

    def __enter__(self) -> WorkerPool[Job, Result, Progress]:
        return self

    def run(self, jobs: Sequence[Job]) -> Iterator[JobProgress[Job, Progress] | JobDone[Job, Result] | JobLost[Job]]:
        """Do the jobs and tell what happens. They are begun in their order and done in any.

        Raises:
            WorkerError: a job kills its worker again and again, or fails in a way that is not the user's.
            ValueError, OSError: as the job raised it.
        """
        waiting, losses = deque(enumerate(jobs)), dict.fromkeys(range(len(jobs)), 0)
        while waiting or any(worker.job is not None for worker in self._workers):
            busy = sum(worker.job is not None for worker in self._workers)
            while len(self._workers) < min(self._count, len(waiting) + busy):
                self._workers.append(self._start())
            for worker in self._workers:
                if worker.job is None and waiting:
                    self._give(worker, *waiting.popleft())
            for worker in self._readable():
                event = self._receive(worker)
                if event is None:
                    continue
                if isinstance(event, JobLost):
                    losses[worker.number] += 1
                    if losses[worker.number] > RETRIES:
                        raise WorkerError(
                            f"the worker that makes {self._describe(event.job)} died {losses[worker.number]} times, "
                            f"{event.how}. {self._remedy}"
                        )
                    waiting.appendleft((worker.number, event.job))
                yield event

    def _start(self) -> _Worker[Job]:
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_work, args=(there, self._prepare, str(self._folder)), daemon=True)
        # One process a core already: threads inside would only fight for them.
        with _environment(ONE_THREAD), _interrupts_kept():
            process.start()
        there.close()  # so that reading ends when the worker does
        return _Worker(process, here)

    def _give(self, worker: _Worker[Job], number: int, job: Job) -> None:
        worker.number, worker.job = number, job
        with contextlib.suppress(OSError):  # it just died, which _receive reports
            worker.connection.send(job)

    def _readable(self) -> list[_Worker[Job]]:
        by_connection = {worker.connection: worker for worker in self._workers}
        return [by_connection[c] for c in wait(list(by_connection)) if isinstance(c, Connection)]

    def _receive(self, worker: _Worker[Job]) -> JobProgress[Job, Progress] | JobDone[Job, Result] | JobLost[Job] | None:
        """None where a worker died that had nothing to do: nothing is lost."""
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        if kind == _FAILED:
            raise value
        job = worker.job
        assert job is not None  # a worker speaks about its job
        if kind == _PROGRESS:
            return JobProgress(job=job, value=value)
        worker.job = None
        return JobDone(job=job, result=value)

    def _bury(self, worker: _Worker[Job]) -> JobLost[Job] | None:
        self._workers.remove(worker)
        worker.connection.close()
        self._await_end(worker)
        if worker.job is None:
            return None
        code = worker.process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
        return JobLost(job=worker.job, how=how)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ignore_interrupts():
            for worker in self._workers:
                worker.connection.close()
                worker.process.terminate()
            for worker in self._workers:
                self._await_end(worker)
            self._workers.clear()

    def _await_end(self, worker: _Worker[Job]) -> None:
        """Kills it if it does not end by itself, and removes what it was writing."""
        worker.process.join(PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        remove_partial_files(self._folder, worker.process.pid)


# -------------------------------------------------------------------------------------------------- inside a worker

_PROGRESS, _DONE, _FAILED = "progress", "done", "failed"


def _work(
    connection: Connection, prepare: Callable[[], Callable[[Any, Callable[[Any], None]], Any]], folder: str
) -> None:
    """A worker's life: do the jobs that come through the connection until it is closed."""
    threading.Thread(target=_leave_with_parent, args=(Path(folder),), daemon=True).start()
    try:
        do = prepare()
        while True:
            job = connection.recv()
            connection.send((_DONE, do(job, lambda value: connection.send((_PROGRESS, value)))))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent wants no more, or is gone
    except Exception as error:
        with contextlib.suppress(OSError):  # the parent is gone; there is nobody to tell
            connection.send((_FAILED, _sendable(error)))


def _leave_with_parent(folder: Path) -> None:
    """A job may take minutes before it speaks to a parent that was killed meanwhile."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        remove_partial_files(folder, os.getpid())
        os._exit(1)


def _sendable(error: Exception) -> Exception:
    """Errors for the user as they are; others, and those that cannot be sent to another process, in words."""
    if isinstance(error, (ValueError, OSError)):
        with contextlib.suppress(Exception):
            copy = pickle.loads(pickle.dumps(error))
            if str(copy) == str(error):
                return error
    return WorkerError(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
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
