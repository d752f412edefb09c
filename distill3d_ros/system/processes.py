"""Child processes that end with their parent, with prefixed output and an orderly stop."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType

_PR_SET_PDEATHSIG = 1
# Loaded here, since between fork and exec a child must do as little as possible.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Processes:
    """A group of child processes. Leaving its ``with`` block ends them all, whatever happened in it."""

    def __init__(self, *, on_line: Callable[[str, str], None] | None = None) -> None:
        """``on_line(name, line)`` gets every line of output, from a thread a child; default: print it, prefixed."""
        self._on_line = on_line or _print_line
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._readers: dict[str, threading.Thread] = {}

    def start(self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
        """Start a child. Call it from the main thread: when the thread that started a child ends, so does the child.

        Raises:
            ValueError: there is a child of that name already.
            OSError: the command cannot be run.
        """
        if name in self._children:
            raise ValueError(f"process names must differ. Got '{name}' twice")
        child = subprocess.Popen(
            list(command),
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A terminal sends Ctrl-C to its whole group; in a group of its own a child gets it once, from us.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        self._children[name] = child
        reader = threading.Thread(target=self._read, args=(name, child), daemon=True)
        reader.start()
        self._readers[name] = reader

    def pid(self, name: str) -> int:
        """The process id of a child."""
        return self._children[name].pid

    def ended(self) -> dict[str, int]:
        """Name -> exit status of the children that have ended; a signal n is -n."""
        statuses = {name: child.poll() for name, child in self._children.items()}
        return {name: status for name, status in statuses.items() if status is not None}

    def running(self) -> tuple[str, ...]:
        return tuple(name for name, child in self._children.items() if child.poll() is None)

    def stop(self, *names: str, patience_s: float = 6.0) -> dict[str, int]:
        """Ask children (all, or those named) to end, insist after ``patience_s``; return the exit statuses.

        A name is free again afterwards.
        """
        chosen = {name: self._children[name] for name in names or tuple(self._children)}
        for signum, wait_s in ((signal.SIGINT, patience_s), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
            alive = [child for child in chosen.values() if child.poll() is None]
            for child in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signum)
            deadline = time.monotonic() + wait_s
            while any(child.poll() is None for child in alive) and time.monotonic() < deadline:
                time.sleep(0.02)
        for name in chosen:
            self._readers.pop(name).join(1.0)
            del self._children[name]
        return {name: child.returncode for name, child in chosen.items()}

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ignore_interrupts():
            self.stop()

    def _read(self, name: str, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                self._on_line(name, line.rstrip("\n"))


def _print_line(name: str, line: str) -> None:
    print(f"[{name}] {line}", flush=True)


def _end_with_parent() -> None:
    """Runs in the child: have the kernel end it when its parent dies, even by SIGKILL.

    A shell starts jobs in the background with SIGINT ignored, and children inherit that: ``stop`` needs the default
    handler.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def ignore_interrupts() -> Iterator[None]:
    """Inside, SIGINT is ignored: a second Ctrl-C must not interrupt the cleanup."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
