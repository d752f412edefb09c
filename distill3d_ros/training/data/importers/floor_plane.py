"""The floor in measured depth: which way is up, and how high the camera stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import level_rotation, unproject

FLOOR_VERSION = 1
"""Of what follows; another one may find another floor in the same depth."""
HYPOTHESES = 1000
POINTS = 20_000
"""At most so many are looked at, evenly spread."""
TILT = 0.5
"""Least cosine between up and the picture's own vertical axis: a camera held upright, tilted by 60 degrees at most."""
LOWEST = 0.04
"""Metres of the camera above the floor, at least."""
NOISE = 0.01
"""Metres by which a point of a surface may be off at 1 m; in proportion to the distance."""
LEAST_SHARE = 0.02
"""Of the measured points that lie on the floor."""
BENEATH = 0.05
"""Of the measured points that may seem to lie beneath it, as mirrors and glossy floors make them; more, and what was
found is a table."""
LEAST_PIXELS = 300
"""Of a labelled floor."""
LEAST_ON_PLANE = 0.5
"""Share of a labelled floor's pixels that one plane must hold."""
MASK_HYPOTHESES = 200
AGREE = math.radians(6.0)
"""Between a labelled floor's normal and an accelerometer's up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A floor, seen from the camera."""

    up: FloatArray
    """(3,) unit vector against gravity, optical frame."""
    height: float
    """Metres of the camera above it."""

    def world_from_camera(self) -> FloatArray:
        """(4, 4) pose in a z-up world whose origin is on the floor below the camera; x is ahead, y to the left."""
        right, down, forward = level_rotation(self.up)
        pose = np.eye(4)
        pose[:3, :3] = forward, -right, -down
        pose[2, 3] = self.height
        return pose


def find_floor(depth: FloatArray, intrinsics: Intrinsics) -> Floor | None:
    """The largest surface with nothing beneath it, by RANSAC (Fischler and Bolles, 1981); None if there is none.

    Args:
        depth: (H, W) measured metres along the optical axis, 0 where unknown.
    """
    points = unproject(np.asarray(depth, np.float32), intrinsics).reshape(-1, 3)
    points = points[points[:, 2] > 0].astype(np.float64)
    points = points[:: max(1, len(points) // POINTS)]
    if len(points) < 100:
        return None
    noise = NOISE * points[:, 2]
    best, most = None, LEAST_SHARE * len(points)
    rng = np.random.default_rng(0)
    for three in points[rng.integers(0, len(points), (HYPOTHESES, 3))]:
        plane = _oriented(np.cross(three[1] - three[0], three[2] - three[0]), three.mean(0))
        if plane is None:
            continue
        above = points @ plane.up + plane.height
        on = int((np.abs(above) < noise).sum())
        if on > most and (above < -3 * noise).mean() < BENEATH:
            best, most = plane, on
    for _ in range(3 if best is not None else 0):
        assert best is not None
        floor = points[np.abs(points @ best.up + best.height) < 2 * noise]
        middle = floor.mean(0)
        best = _oriented(np.linalg.svd(floor - middle, full_matrices=False)[2][2], middle) or best
    return best


def _oriented(normal: FloatArray, point: FloatArray) -> Floor | None:
    """The plane through a point, if a camera held upright could stand above it."""
    length = float(np.linalg.norm(normal))
    if length < 1e-9:
        return None
    up = normal / length
    up = -up if up[1] > 0 else up
    height = float(-up @ point)
    return Floor(up=up, height=height) if height > LOWEST and -up[1] > TILT else None


def floor_from_mask(
    depth: FloatArray, floor: NDArray[np.bool_], intrinsics: Intrinsics, *, up: FloatArray | None = None
) -> Floor | None:
    """The plane through pixels of which somebody said that they show the floor; None if they lie on no plane.

    Args:
        depth: (H, W) measured metres along the optical axis, 0 where unknown.
        floor: (H, W) the pixels.
        up: (3,) unit vector against gravity as an accelerometer measured it. A plane that leans from it by more than
            ``AGREE`` is no floor to trust: ``up`` is kept, and the height is that of the pixels' median.
    """
    known = floor & (depth > 0)
    if np.count_nonzero(known) < LEAST_PIXELS:
        return None
    points = unproject(np.asarray(depth, np.float32), intrinsics)[known].astype(np.float64)
    points = points[:: max(1, len(points) // 4000)]
    noise = 0.02 + NOISE * points[:, 2]
    best, most = None, LEAST_ON_PLANE * len(points)
    rng = np.random.default_rng(0)
    for three in points[rng.integers(0, len(points), (MASK_HYPOTHESES, 3))]:
        plane = _oriented(np.cross(three[1] - three[0], three[2] - three[0]), three.mean(0))
        on = 0 if plane is None else int((np.abs(points @ plane.up + plane.height) < noise).sum())
        if on > most:
            best, most = plane, on
    for _ in range(3 if best is not None else 0):
        assert best is not None
        on_plane = points[np.abs(points @ best.up + best.height) < noise]
        middle = on_plane.mean(0)
        best = _oriented(np.linalg.svd(on_plane - middle, full_matrices=False)[2][2], middle) or best
    if up is None or (best is not None and best.up @ up > math.cos(AGREE)):
        return best
    height = float(np.median(-(points @ up)))
    return Floor(up=np.asarray(up, np.float64), height=height) if height > LOWEST else None
