"""Memory of a process: its peak, and the return of freed heap to the system."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys


def peak_rss_mib() -> float:
    """Peak resident memory of this process, without its children, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def trim_heap() -> None:
    """Returns freed heap memory to the system, which glibc otherwise keeps where it is fragmented."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
