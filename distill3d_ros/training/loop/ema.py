"""Exponential moving average of the trained weights, which is what is saved as the student."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of the parameters that are trained.

    The decay grows from 0 to ``decay`` with the number of updates (``(1 + n) / (10 + n)``, as in TensorFlow's
    ExponentialMovingAverage), so that the random start is forgotten soon.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._live = parameters
        self.average: dict[str, Tensor] = {name: p.detach().clone() for name, p in parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        names = list(self._live)
        torch._foreach_lerp_(
            [self.average[n] for n in names], [self._live[n].detach() for n in names], weight=1.0 - decay
        )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the averaged weights."""
        live = {name: p.detach().clone() for name, p in self._live.items()}
        with torch.no_grad():
            for name, p in self._live.items():
                p.copy_(self.average[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, p in self._live.items():
                    p.copy_(live[name])

    def state(self) -> dict[str, object]:
        return {"updates": self.updates, "average": self.average}

    def restore(self, state: dict[str, object]) -> None:
        self.updates = int(state["updates"])  # type: ignore[call-overload]
        average: dict[str, Tensor] = state["average"]  # type: ignore[assignment]
        for name, value in average.items():
            self.average[name].copy_(value)
