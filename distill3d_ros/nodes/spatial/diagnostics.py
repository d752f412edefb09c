"""The spatial node's status on /diagnostics."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from distill3d_ros.nodes.conversions.images import set_stamp
from distill3d_ros.system.memory import peak_rss_mib

_WINDOW_S = 10.0


@dataclass(slots=True)
class Statistics:
    """Frame rate, latencies and the last error; safe to use from several threads."""

    last_error: str = ""
    _last_error_at: float = float("-inf")
    _done: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    _stages: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def frame_done(self) -> None:
        with self._lock:
            self._done.append(time.monotonic())

    def took(self, stage: str, milliseconds: float) -> None:
        with self._lock:
            self._stages.setdefault(stage, deque(maxlen=200)).append(milliseconds)

    def failed(self, error: str) -> None:
        with self._lock:
            self.last_error, self._last_error_at = error, time.monotonic()

    @property
    def error_age(self) -> float:
        """Seconds since the last error; infinite without one."""
        return time.monotonic() - self._last_error_at

    def frames_per_second(self) -> float:
        """Over the last ten seconds."""
        with self._lock:
            recent = [t for t in self._done if t > time.monotonic() - _WINDOW_S]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 else 0.0

    def percentiles(self) -> dict[str, tuple[float, float]]:
        """Stage -> its 50th and 95th percentile in milliseconds, over its last 200 runs."""
        with self._lock:
            ordered = {stage: sorted(values) for stage, values in self._stages.items() if values}
        return {s: (v[len(v) // 2], v[min(len(v) - 1, int(len(v) * 0.95))]) for s, v in ordered.items()}


def status_message(
    *,
    name: str,
    hardware_id: str,
    state: str,
    facts: Mapping[str, int | str],
    statistics: Statistics,
    now_ns: int,
    quiet: str,
) -> DiagnosticArray:
    """One status: ERROR with a fresh error, WARN when nothing arrives (``quiet`` says why), OK otherwise."""
    rate = statistics.frames_per_second()
    if statistics.error_age < _WINDOW_S:
        level, text = DiagnosticStatus.ERROR, statistics.last_error
    elif quiet:
        level, text = DiagnosticStatus.WARN, quiet
    else:
        level, text = DiagnosticStatus.OK, f"{rate:.1f} frames/s" if state == "active" else state
    values = {"state": state, "frames_per_second": f"{rate:.2f}"}
    values |= {key: str(value) for key, value in facts.items()}
    for stage, (p50, p95) in statistics.percentiles().items():
        values |= {f"{stage}_p50_ms": f"{p50:.1f}", f"{stage}_p95_ms": f"{p95:.1f}"}
    values |= {"peak_memory_mib": f"{peak_rss_mib():.0f}", "last_error": statistics.last_error}
    message = DiagnosticArray()
    set_stamp(message.header.stamp, now_ns)
    message.status = [
        DiagnosticStatus(
            level=level,
            name=name,
            message=text,
            hardware_id=hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
    ]
    return message
