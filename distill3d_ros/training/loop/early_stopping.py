"""Early stopping: the best student of a run, and the patience for a better one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from distill3d_ros.training.config import LOWER_IS_BETTER, StopEarlyConfig


class BestSoFar:
    """Follows the figure through the validations of a run."""

    def __init__(self, config: StopEarlyConfig) -> None:
        self.config = config
        self.value = math.nan
        self.step = -1
        """Of the best validation; -1 before the first."""
        self.waited = 0
        """Validations since."""

    @property
    def over(self) -> bool:
        """Whether the patience is at its end."""
        return 0 < self.config.patience <= self.waited

    def note(self, step: int, figures: Mapping[str, float]) -> bool:
        """Takes in a validation; True if it is the best so far.

        Raises:
            ValueError: the figure is not among those of this stage, or several could be meant.
        """
        if not self.config.figure:
            return False
        value = self._chosen(figures)
        lower = self.config.figure.endswith(LOWER_IS_BETTER)
        better = math.isfinite(value) and (self.step < 0 or (value < self.value if lower else value > self.value))
        if better:
            self.value, self.step, self.waited = value, step, 0
        else:
            self.waited += 1
        return better

    def state(self) -> dict[str, Any]:
        return {"value": self.value, "step": self.step, "waited": self.waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.value, self.step, self.waited = float(state["value"]), int(state["step"]), int(state["waited"])

    def describe(self) -> str:
        return f"{self.config.figure} {self.value:.3f} at step {self.step}"

    def _chosen(self, figures: Mapping[str, float]) -> float:
        wanted = self.config.figure
        if wanted in figures:
            return figures[wanted]
        alike = [name for name in figures if name.endswith(f"_{wanted}")]
        if len(alike) != 1:
            problem = f"could be {' or '.join(alike)}" if alike else "is not among the validation figures of this stage"
            known = ", ".join(figures) or "none, for the data have no validation split"
            raise ValueError(f"stop_early.figure {wanted!r} {problem}; there are {known}")
        return figures[alike[0]]
