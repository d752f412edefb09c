"""Memory of a process: its peak, and the return of freed heap to the system."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from pathlib import Path


def peak_rss_mib_of(pid: int) -> float:
    """MiB that another process held at most so far, without its children; Linux only."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def peak_rss_mib() -> float:
    """Peak resident memory of this process, without its children, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def trim_heap() -> None:
    """Returns freed heap memory to the system, which glibc otherwise keeps where it is fragmented."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
