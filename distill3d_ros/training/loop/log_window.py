"""Means of what training steps report between two rows of the log."""

from __future__ import annotations

import time


class LogWindow:
    """The steps since the last row: their losses, their speed, and how long they waited for data."""

    def __init__(self) -> None:
        self._steps = 0
        self._values: dict[str, list[float]] = {}
        self._waited = 0.0
        self._began = time.monotonic()

    def add(self, losses: dict[str, float], *, waited: float) -> None:
        """Takes in a step; ``waited`` is how many seconds it waited for its batch."""
        self._steps += 1
        self._waited += waited
        for name, value in losses.items():
            self._values.setdefault(name, []).append(value)

    def leave_out(self, seconds: float) -> None:
        """Time that was not spent on steps, such as a validation's."""
        self._began += seconds

    def means(self) -> dict[str, float]:
        """By name; a loss that was absent from some steps counts where it was there."""
        return {name: sum(values) / len(values) for name, values in self._values.items()}

    def speed(self, batch_size: int) -> dict[str, float]:
        """Samples a second, and the share of the time that was spent waiting for data."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        return {"samples_per_second": self._steps * batch_size / seconds, "waiting_for_data": self._waited / seconds}
