"""A callback group of which only so many callbacks run at a time, so that a crowd leaves threads to the others."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.callback_groups import CallbackGroup


class LimitedCallbackGroup(CallbackGroup):
    """Up to ``limit`` callbacks at a time; the others stay in their queues."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit, self._running, self._lock = limit, 0, threading.Lock()

    def can_execute(self, entity: Any) -> bool:
        with self._lock:
            return self._running < self._limit

    def beginning_execution(self, entity: Any) -> bool:
        with self._lock:
            if self._running >= self._limit:
                return False
            self._running += 1
            return True

    def ending_execution(self, entity: Any) -> None:
        with self._lock:
            self._running -= 1
