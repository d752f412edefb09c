"""Processes that make shards of 3D-FRONT houses; they end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path

from distill3d_ros.system.files import remove_partial_files
from distill3d_ros.training.data.importers.front3d.furniture_models import FrontError
from distill3d_ros.training.data.importers.front3d.room_shards import GroupReport, HouseGroup, Settings, ShardMaker
from distill3d_ros.training.data.manifest import ShardInfo

Done = tuple[HouseGroup, GroupReport, ShardInfo | None]

_makers: dict[Settings, ShardMaker] = {}
"""Of a worker process: the one that it makes all its shards with."""


def make_shards(out: Path, settings: Settings, groups: Sequence[HouseGroup], workers: int) -> Iterator[Done]:
    """Shards as they are finished, in any order; in this process where one worker is enough.

    Raises:
        FrontError: a worker died.
        OSError: a file cannot be read or written.
    """
    count = min(workers, len(groups))
    if count == 1:
        maker = ShardMaker(settings)
        try:
            for group in groups:
                yield (group, *maker.make(out, group))
        finally:
            maker.close()
    elif count:
        yield from _in_processes(out, settings, groups, count)


def _in_processes(out: Path, settings: Settings, groups: Sequence[HouseGroup], count: int) -> Iterator[Done]:
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker)
    try:
        futures = {pool.submit(_make_in_worker, settings, out, group): group for group in groups}
        for future in as_completed(futures):
            yield (futures[future], *future.result())
        pool.shutdown()
    except BaseException as error:  # also when the caller stops: end the workers and remove what they have begun
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
            child.join()
        remove_partial_files(out)
        if isinstance(error, BrokenProcessPool):
            raise FrontError(
                "a worker died. Is there enough memory? Fewer --workers need less; the same command goes on"
            ) from error
        raise


def _start_worker() -> None:
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the parent ends its workers
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    cv2.setNumThreads(1)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _make_in_worker(settings: Settings, out: Path, group: HouseGroup) -> tuple[GroupReport, ShardInfo | None]:
    if settings not in _makers:  # here and not when the process starts, so that its errors reach the caller
        _makers[settings] = ShardMaker(settings)
    return _makers[settings].make(out, group)
