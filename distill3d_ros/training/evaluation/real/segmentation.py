"""Intersection over union of semantic segmentations.

Pixels that are unknown, and guesses of classes that nobody looked for, count nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.annotation import Annotation


class SegmentationScore:
    """Counts of pixels by class, over any number of pictures.

    Args:
        labels: of the student, in the order of its classes; the class after the last is no category.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        count = len(self.labels) + 1
        self._pixels = np.zeros((count, count), np.int64)  # true, guessed

    def add(self, guessed: NDArray[np.int64], true: NDArray[np.int64], annotation: Annotation) -> None:
        """A picture: (h, w) classes, true ones negative where unknown.

        A guess counts as the class as which its thing would have been marked.
        """
        number = {label: i for i, label in enumerate(self.labels)}
        marked = [number.get(annotation.marked_as(label), i) for i, label in enumerate(self.labels)]
        told = np.array([annotation.tells_of(self.labels[m]) for m in marked] + [True])
        table = np.array([*marked, len(self.labels)])
        for label, finer in annotation.covers.items():  # a finer class of several: the one that is true, if any is
            if label in number:
                for other in (number[f] for f in finer if f in number):
                    guessed = np.where((guessed == other) & (true == number[label]), number[label], guessed)
        counts = (true >= 0) & (told[guessed] | (guessed == true))
        size = len(self._pixels)
        pairs = np.bincount(true[counts] * size + table[guessed[counts]], minlength=size * size)
        self._pixels += pairs.reshape(size, size)

    def by_class(self) -> dict[str, float]:
        """IoU of each class that any picture shows."""
        hits, shown, guessed = np.diag(self._pixels), self._pixels.sum(1), self._pixels.sum(0)
        return {
            label: float(hits[i] / (shown[i] + guessed[i] - hits[i])) for i, label in enumerate(self.labels) if shown[i]
        }

    def mean(self) -> float:
        """Mean over those classes; NaN without any."""
        found = list(self.by_class().values())
        return float(np.mean(found)) if found else math.nan
