"""Memory of a process: its peak, objects that last, and the return of freed heap to the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import sys
from collections.abc import Iterator
from pathlib import Path


def peak_rss_mib_of(pid: int) -> float:
    """MiB that another process held at most so far, without its children; Linux only."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def peak_rss_mib() -> float:
    """Peak resident memory of this process, without its children, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


@contextlib.contextmanager
def lasting_objects() -> Iterator[None]:
    """Inside, no garbage is collected, and what is there at the end is never looked at again.

    For imports and models, which stay: torch's modules alone take a tenth of a second each time that the collector goes
    through them, in the middle of a frame.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def trim_heap() -> None:
    """Returns freed heap memory to the system, which glibc otherwise keeps where it is fragmented."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
