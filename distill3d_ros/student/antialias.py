"""Resizing of pictures with a triangle filter: bilinear where they grow, antialiased where they shrink.

As ``torch.nn.functional.interpolate(mode="bilinear", antialias=True)``, with which students were trained, in numpy.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_BLOCK = 16
"""Outputs that are computed by one matrix product; each needs only the inputs near it."""


def resize_antialiased(image: NDArray[np.uint8], size: tuple[int, int]) -> Float32:
    """(H, W, 3) in 0..255 -> (3, h, w) float32 in 0..255; ``size`` is (h, w)."""
    height, width, channels = image.shape
    rows = image.reshape(height, width * channels)
    tall = np.empty((size[0], width * channels), np.float32)
    for outputs, inputs, weights in _blocks(height, size[0]):
        np.matmul(weights, rows[inputs].astype(np.float32), out=tall[outputs])
    planes = np.ascontiguousarray(tall.reshape(size[0], width, channels).transpose(2, 0, 1))
    resized = np.empty((channels, *size), np.float32)
    for outputs, inputs, weights in _blocks(width, size[1]):
        resized[..., outputs] = planes[..., inputs] @ weights.T
    return resized


@lru_cache(maxsize=32)
def _blocks(length: int, resized: int) -> tuple[tuple[slice, slice, Float32], ...]:
    """(outputs, inputs, weights) that turn ``length`` values into ``resized``: outputs = weights @ inputs."""
    scale = length / resized
    reach = max(scale, 1.0)  # of the filter, to either side
    blocks = []
    for first in range(0, resized, _BLOCK):
        last = min(first + _BLOCK, resized)
        centers = scale * (np.arange(first, last) + 0.5)
        start, stop = max(0, int(centers[0] - reach)), min(length, int(centers[-1] + reach) + 1)
        distance = np.abs(np.arange(start, stop) + 0.5 - centers[:, None])
        weights = np.clip(1.0 - distance / reach, 0.0, None)
        weights /= weights.sum(1, keepdims=True)
        blocks.append((slice(first, last), slice(start, stop), weights.astype(np.float32)))
    return tuple(blocks)
