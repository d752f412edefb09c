"""Extents of measured surfaces, without their outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray

TAIL = 0.03
"""Share of a surface's points that may lie outside its box at either end of an axis: noise, and edges of masks. The
extent between is lengthened by as much, so that an even surface keeps its size."""
LEAST_SIDE = 0.02
"""Metres; a picture is measured as a plane, and a box has a volume."""
LAYER = 0.1
"""Metres of depth by which a layer of points is known from the next one: a mask that reaches past the edge of a thing
takes in what is behind it."""
LEAST_LAYER = 0.1
"""Share of a mask's points; smaller layers are no part of the thing."""


def in_main_layers(z: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) which of the depths in a mask, metres, N at least 1, are not of another thing behind or before it."""
    layer = np.floor((z - z.min()) / LAYER).astype(int)
    count = np.bincount(layer)
    run = np.cumsum(np.diff(np.concatenate([[False], count > 0]).astype(int)) == 1) - 1  # number of the run of layers
    share = np.bincount(run, weights=count) / len(z)
    return np.asarray(share[run[layer]] >= min(LEAST_LAYER, share.max()))


def surface_extent(values: FloatArray) -> FloatArray:
    """(2, D) lower and upper ends of values (N, D) along D axes, outliers aside."""
    low, high = np.quantile(values, [TAIL, 1 - TAIL], axis=0)
    more = (high - low) * TAIL / (1 - 2 * TAIL)
    return np.stack([low - more, high + more])
