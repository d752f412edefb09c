"""Up, from the readings of the accelerometer in NYU Depth V2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray

PUBLISHED_SIGNS = (-1.0, -1.0, 1.0)
"""Optical axes from the accelerometer's: its x to the left, y up and z ahead, and it measures what holds it up."""
WORST = 8.0
"""Degrees between a typical floor and the accelerometer beyond which its readings are not those of this camera."""


def up_vectors(readings: FloatArray, signs: FloatArray) -> FloatArray:
    """(N, 3) unit vectors against gravity in the optical frame; NaN where the reading is none.

    Args:
        readings: (N, 3) of the three axes, in any unit. At rest an accelerometer measures the force that holds it,
            which points up.
        signs: (3,) of the optical axes in terms of its own.
    """
    up = np.asarray(readings, np.float64) * signs
    length = np.linalg.norm(up, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(length > 0, up / length, np.nan)


def axis_signs(readings: FloatArray, floors: Sequence[FloatArray | None]) -> tuple[NDArray[np.float64], float | None]:
    """The signs of the axes with which the readings agree best with floors, and the median angle to them in degrees.

    The published description names the columns "roll, yaw, pitch", and does not say which way they count.

    Args:
        readings: (N, 3)
        floors: N normals of floors in the optical frame, None where none was found. Without one the angle is None.
    """
    published = np.array(PUBLISHED_SIGNS)
    seen = [i for i, floor in enumerate(floors) if floor is not None]
    if not seen:
        return published, None
    normals = np.stack([floor for floor in floors if floor is not None])
    best, least = published, np.inf
    for x in (published[0], -published[0]):
        for z in (published[2], -published[2]):
            signs = np.array([x, published[1], z])
            cosines = (up_vectors(np.asarray(readings)[seen], signs) * normals).sum(-1)
            angle = float(np.degrees(np.median(np.arccos(np.clip(np.nan_to_num(cosines, nan=-1.0), -1, 1)))))
            if angle < least - 1e-6:
                best, least = signs, angle
    return best, least
