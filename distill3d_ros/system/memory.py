"""How much memory a process takes."""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys


def peak_rss_mib() -> float:
    """MiB that this process held at most so far, without its children."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def trim_heap() -> None:
    """What was freed between things that are still held stays with the process unless it is asked for (glibc)."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
