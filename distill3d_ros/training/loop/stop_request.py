"""Requests to stop training after the current step: from a signal, or from the program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether training should stop after the current step.

    Args:
        report: is told the name of the signal that asked for it.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    @contextmanager
    def from_signals(self) -> Iterator[None]:
        """Inside, SIGINT and SIGTERM are requests; a second one interrupts at once. Does nothing in other threads than
        the main one, to which signals come."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.is_set():  # a second Ctrl-C means it
            raise KeyboardInterrupt
        self._report(signal.Signals(number).name)
        self.set()
