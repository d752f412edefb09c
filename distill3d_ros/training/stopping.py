"""Which student of a run is the best, and when to stop waiting for a better one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distill3d_ros.scene.kinds import FAMILIES

HIGHER_IS_BETTER = ("accuracy", "map25", "map50", "delta1", *FAMILIES)
LOWER_IS_BETTER = ("absrel", "rmse")
"""What is measured against geometry. Figures of answers may have a prefix: ``seen_accuracy``, ``noisy_contact``."""


@dataclass(kw_only=True, slots=True)
class StopEarlyConfig:
    """Which validation figure tells the best student, and how long to go on without a better one."""

    figure: str = ""
    """A figure of geometry, as validation names it; ``accuracy`` alone is enough where there is one. Empty: none."""
    patience: int = 0
    """End after so many validations in a row without a better figure; 0 never ends a stage early."""

    def __post_init__(self) -> None:
        if self.patience < 0:
            raise ValueError(f"stop_early.patience must not be negative. Got {self.patience}")
        if self.patience and not self.figure:
            raise ValueError("stop_early.patience needs stop_early.figure, e.g. accuracy")
        if self.figure and not self.figure.endswith((*HIGHER_IS_BETTER, *LOWER_IS_BETTER)):
            raise ValueError(
                "stop_early.figure must be a validation figure that is measured against geometry: "
                f"{', '.join((*HIGHER_IS_BETTER, *LOWER_IS_BETTER))}. A loss, or the weighted total of several, falls "
                f"when its weights do and says little about answers. Got {self.figure!r}"
            )


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

    def in_words(self) -> str:
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
