"""Registration of depth to the picture, measured by the distance of their edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray

WIDTH = 320
"""Pixels at which edges are compared."""
REACH = 16
"""Pixels of that width that depth may be off and still be found."""
JUMP = 0.1
"""Change of depth between neighbours, as a share, that is the edge of a thing."""
LEAST_EDGES = 500
"""Pixels on edges, over all frames, below which nothing can be said."""
TOLERANCE, WRONG = 0.01, 0.025
"""Shares of the picture's width: edges farther apart than the first are warned of, than the second refused."""
CLEARER = 1.15
"""By so much must the edges agree better elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of the edges of depth and picture."""

    offset: float
    """Share of the picture's width by which depth must be moved for its edges to lie best on those of the picture."""
    gain: float
    """How much better they then agree, at least 1."""
    edges: int
    """Pixels that it was measured on."""

    @property
    def is_known(self) -> bool:
        return self.edges >= LEAST_EDGES

    @property
    def is_off(self) -> bool:
        return self.is_known and self.offset > TOLERANCE and self.gain > CLEARER

    @property
    def is_wrong(self) -> bool:
        return self.is_off and self.offset > WRONG

    def __str__(self) -> str:
        return f"edges of depth lie {100 * self.offset:.1f} % of the width from those of the picture"


def edge_agreement(frames: Sequence[tuple[NDArray[np.uint8], FloatArray]]) -> Agreement:
    """How edges of depth lie on those of pictures, over several frames: the shift with the strongest gradients below.

    Args:
        frames: pictures (H, W, 3) and depths (H, W) in metres, 0 where unknown.
    """
    score, edges = np.zeros((2 * REACH + 1, 2 * REACH + 1)), 0
    for image, depth in frames:
        size = (WIDTH, max(1, round(WIDTH * image.shape[0] / image.shape[1])))
        grey = cv2.GaussianBlur(cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size), (0, 0), 1.0)
        grey = grey.astype(np.float32)
        strength = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        strength = np.minimum(strength / (strength.mean() + 1e-6), 4.0)
        rows, columns = np.nonzero(_depth_edges(depth, size))
        inside = (rows >= REACH) & (rows < size[1] - REACH) & (columns >= REACH) & (columns < WIDTH - REACH)
        rows, columns = rows[inside], columns[inside]
        edges += len(rows)
        for dy in range(-REACH, REACH + 1):
            for dx in range(-REACH, REACH + 1):
                score[dy + REACH, dx + REACH] += strength[rows + dy, columns + dx].sum()
    best = np.unravel_index(int(score.argmax()), score.shape)
    offset = float(np.hypot(best[0] - REACH, best[1] - REACH)) / WIDTH
    here = score[REACH, REACH]
    return Agreement(offset=offset, gain=float(score.max() / here) if here > 0 else 1.0, edges=edges)


def _depth_edges(depth: FloatArray, size: tuple[int, int]) -> NDArray[np.bool_]:
    small = cv2.resize(np.asarray(depth, np.float32), size, interpolation=cv2.INTER_NEAREST)
    around = np.ones((3, 3))
    low, high = cv2.erode(small, around), cv2.dilate(small, around)
    jump = (low > 0) & (high > (1 + JUMP) * low)
    return np.asarray(jump & (small < (low + high) / 2))  # the near side: that is whose edge it is
