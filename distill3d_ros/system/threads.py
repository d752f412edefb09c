"""Threads of the libraries that compute: how many there are, and that those which wait sleep.

A thread of OpenMP (torch's) that has done its part of a sum spins until the others have done theirs, so that the next
sum begins at once. That is the fastest on an idle machine. Beside busy processes the spinning threads take the cores
from those that they wait for: a frame then takes several times as long, and now and then fifty times. Asleep they
cost a little at each sum, and the time of a frame stays bounded. OpenBLAS (numpy's) and OpenCV have small work here and
keep to one thread.

The libraries read their environment variables once, when they are loaded, so the programs of this package set them
first of all. A library user does the same before the first ``import torch`` or ``import numpy``::

    from distill3d_ros.system.threads import prepare_threads
    prepare_threads()
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

SLEEPING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""For GNU's OpenMP, and for LLVM's and Intel's (milliseconds until a waiting thread sleeps)."""
SPINNING = {"OMP_WAIT_POLICY": "ACTIVE", "KMP_BLOCKTIME": "infinite"}
"""What the libraries do by themselves, to compare with."""
_DECIDE_WAITING = (*SLEEPING, "GOMP_SPINCOUNT")
_ONE_EACH = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LP_NUM_THREADS": "0", **_ONE_EACH}
"""For one of several processes that share the cores; LP_NUM_THREADS is Mesa's software renderer's."""

_CGROUPS, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def prepare_threads() -> None:
    """Sets this process's variables, and so those of the processes that it starts; call it before torch is imported.

    What the user has set stays: OMP_NUM_THREADS, OMP_WAIT_POLICY, GOMP_SPINCOUNT, KMP_BLOCKTIME,
    OPENBLAS_NUM_THREADS, OPENCV_FOR_THREADS_NUM.
    """
    cores = available_cores()
    # OpenMP knows how many cores a process may run on, but not a container's share of their time.
    limited = cores if cores < _allowed_cores() else None
    os.environ.update(thread_variables(os.environ, threads=limited))


def thread_variables(base: Mapping[str, str], *, threads: int | None = None) -> dict[str, str]:
    """The variables that are to be added to ``base``.

    Args:
        threads: at most so many threads of OpenMP, also if ``base`` has more; None leaves that to OpenMP.
    """
    added = {} if any(name in base for name in _DECIDE_WAITING) else dict(SLEEPING)
    added.update({name: value for name, value in _ONE_EACH.items() if name not in base})
    if threads is not None:
        added["OMP_NUM_THREADS"] = str(min(_openmp_threads(base) or threads, threads))
    return added


def waiting_threads_sleep(environment: Mapping[str, str] | None = None) -> bool:
    """Whether a process with these variables (default: this one) lets waiting threads of OpenMP sleep at once."""
    environment = os.environ if environment is None else environment
    if "GOMP_SPINCOUNT" in environment:
        return environment["GOMP_SPINCOUNT"].strip() == "0"
    return environment.get("OMP_WAIT_POLICY", "").strip().upper() == "PASSIVE"


def default_threads() -> int:
    """Threads that this process is to compute with: OMP_NUM_THREADS where it is set, else one a core."""
    return _openmp_threads(os.environ) or available_cores()


def _openmp_threads(environment: Mapping[str, str]) -> int:
    """OMP_NUM_THREADS, of which the first number counts; 0 where it is not set."""
    outermost = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(outermost) if outermost.isdigit() else 0


def available_cores() -> int:
    """Cores that this process can keep busy: those it may run on, up to a container's share of their time."""
    return max(1, min([_allowed_cores(), *(math.ceil(share) for share in _shares())]))


def _allowed_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shares() -> Iterator[float]:
    """Cores' worth of time that control groups, of this process and above it, allow; nothing where none limits."""
    try:
        lines = _MEMBERSHIP.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = _CGROUPS / "cpu" if controllers else _CGROUPS
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            quota, period = _quota_v1(folder) if controllers else _quota_v2(folder)
            if quota > 0 and period > 0:
                yield quota / period
            if folder == root:
                break


def _quota_v2(folder: Path) -> tuple[int, int]:
    """Microseconds of cores' time in so many of the clock; 0 where there is no limit."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return (0 if quota == "max" else int(quota)), int(period)
    except (OSError, ValueError):
        return 0, 0


def _quota_v1(folder: Path) -> tuple[int, int]:
    try:
        return int((folder / "cpu.cfs_quota_us").read_text()), int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return 0, 0
