"""Batches with a stated share of real pictures, whatever the numbers of rendered and real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from distill3d_ros.training.loop.batches import KeySource, Sampler

GOLDEN = (5**0.5 - 1) / 2


class ChosenKeys:
    """Those keys of a source of which ``chosen`` is true."""

    def __init__(self, source: KeySource, chosen: Callable[[str], bool]) -> None:
        self._source, self._chosen = source, chosen
        self.keys: list[str] = []

    def refresh(self) -> int:
        """Takes in what the source has by now; returns how many of it are chosen."""
        self._source.refresh()
        self.keys = [key for key in self._source.keys if self._chosen(key)]
        return len(self.keys)


class ShareSampler:
    """Order of the samples where each batch has its share of real pictures.

    Rendered and real samples each come in a new permutation an epoch, with epochs of their own. A batch has the whole
    number of real ones that keeps the share of all batches so far; they lie evenly in it, so that what several
    processes, or the parts of an accumulated step, get of it has about the same share.

    Args:
        is_real: whether a key is that of a real picture.
        epoch_samples: at most so many samples an epoch, of the rendered and of the real ones; 0 is all.
    """

    def __init__(
        self,
        source: KeySource,
        batch_size: int,
        seed: int,
        *,
        real_share: float,
        is_real: Callable[[str], bool],
        epoch_samples: int = 0,
    ) -> None:
        self.batch_size, self.real_share = batch_size, real_share
        rendered = ChosenKeys(source, lambda key: not is_real(key))
        self._rendered = Sampler(rendered, batch_size, seed, epoch_samples)
        self._real = Sampler(ChosenKeys(source, is_real), batch_size, seed, epoch_samples)
        self._batches = 0

    def next(self) -> list[str]:
        """The keys of the next batch.

        Raises:
            ValueError: there are no rendered, or no real samples, and the share asks for some.
        """
        before, after = (round(self.real_share * self.batch_size * n) for n in (self._batches, self._batches + 1))
        real = self._some(self._real, after - before, "real pictures")
        rendered = self._some(self._rendered, self.batch_size - len(real), "rendered pictures")
        self._batches += 1
        places = spread(len(real), self.batch_size)
        return [(real if place in places else rendered).pop(0) for place in range(self.batch_size)]

    def state(self) -> dict[str, Any]:
        """State for a checkpoint, to resume at the very next sample."""
        return {"batches": self._batches, "rendered": self._rendered.state(), "real": self._real.state()}

    def restore(self, state: dict[str, Any]) -> None:
        if "batches" not in state:
            raise ValueError(
                "real_share must be left out: the checkpoint is of a run without it. Or choose another --out"
            )
        self._batches = int(state["batches"])
        self._rendered.restore(state["rendered"])
        self._real.restore(state["real"])

    def describe(self) -> str:
        """The epochs, in words."""
        return f"epoch {max(0, self._rendered.epoch)} (real {max(0, self._real.epoch)})"

    def _some(self, sampler: Sampler, count: int, what: str) -> list[str]:
        if count and not sampler.remaining and sampler.source.refresh() == 0:
            raise ValueError(
                f"real_share must be such that no data folder is missed: {self.real_share:g} asks for {what}, and the "
                "training split has none; name such a folder with --data, or change real_share"
            )
        return sampler.take(count)


def spread(count: int, size: int) -> set[int]:
    """``count`` of the numbers below ``size``, evenly spread in every run and in every stride of them.

    Those at which the fractional parts of the multiples of the golden ratio are smallest: a sequence of low
    discrepancy (Weyl 1916).
    """
    return set(sorted(range(size), key=lambda n: (n + 1) * GOLDEN % 1)[:count])
