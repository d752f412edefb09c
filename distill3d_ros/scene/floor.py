"""Metric scale from the floor and a known height of the camera, which one image alone does not determine.

A monocular depth estimate is most often wrong by one factor for the whole image. Where the floor is visible, its
estimated distance below the camera over the true one is that factor: as the ground plane gives monocular odometry its
scale (Kitt et al., "Monocular Visual Odometry using a Planar Road Model to Solve Scale Ambiguity", 2011). Numpy only.
"""

from __future__ import annotations

import math

import numpy as np

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import unproject

LEVEL = 0.9
"""Cosine between up and the normal of a surface that counts as level."""
LEAST_SHARE = 0.005
"""A floor covers at least this share of the image; and 0.15 of the most frequent height's share."""
NEAREST = 0.04
"""Least distance of a floor below the camera, metres."""
TABLE = 0.35
"""A level surface nearer than the floor by more than this (log of the ratio) is taken for a table top, with the floor
not visible. In the other direction there is no such ambiguity, since nothing lies below the floor."""
FARTHEST = 1.6
"""Log of the largest plausible ratio, a factor of 5."""
TRUST = 0.5
"""Share of a small ratio's log by which depth is corrected: the floor's depth is no more certain than the rest."""
KEPT = 0.15
"""Log of a large ratio that remains uncorrected. Chosen with ``TRUST`` on validation rooms."""
_BIN = 0.05


def floor_distance(depth: FloatArray, intrinsics: Intrinsics, up: FloatArray) -> float | None:
    """Distance of the lowest level surface below the camera, metres; None if no level surface is visible.

    Args:
        depth: (H, W) metres along the optical axis, 0 or NaN where unknown.
        intrinsics: of the depth image.
        up: (3,) unit vector against gravity, optical frame.
    """
    points = unproject(np.nan_to_num(np.asarray(depth, np.float32)), intrinsics)
    across, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
    normal = np.cross(across, down)  # (H - 2, W - 2, 3)
    length = np.linalg.norm(normal, axis=-1)
    middle = points[1:-1, 1:-1]
    below = -(middle @ np.asarray(up, np.float32))
    level = (np.abs(normal @ np.asarray(up, np.float32)) > LEVEL * length) & (length > 0)
    logs = np.log(below[level & (below > NEAREST) & (middle[..., 2] > 0)])
    if not logs.size:
        return None
    edges = np.arange(logs.min() - 2 * _BIN, logs.max() + 3 * _BIN, _BIN)
    counts = np.convolve(np.histogram(logs, edges)[0], [0.25, 0.5, 0.25], "same")
    supported = np.flatnonzero(counts > max(0.15 * counts.max(), LEAST_SHARE * below.size / 3))
    if not supported.size:
        return None
    lowest = int(supported[-1])
    while lowest > 0 and counts[lowest - 1] > counts[lowest]:
        lowest -= 1
    height = edges[lowest] + _BIN / 2
    return math.exp(float(np.median(logs[np.abs(logs - height) < 3 * _BIN])))


def scale_by_floor(estimated: float | None, known: float) -> float:
    """The factor by which depth is to be multiplied, 1 if the floor gives no estimate.

    Args:
        estimated: metres from the camera down to the floor by the depth image; None if it is not visible.
        known: the true height of the camera above the floor, metres.
    """
    if estimated is None:
        return 1.0
    ratio = math.log(estimated / known)
    if not -TABLE < ratio < FARTHEST:
        return 1.0
    return math.exp(-math.copysign(max(TRUST * abs(ratio), abs(ratio) - KEPT), ratio))
