"""Upright boxes around instances of a scanned mesh."""

from __future__ import annotations

import math

import cv2
import numpy as np

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.worlds.room import WorldBox

LEAST_SIDE = 0.01
"""Metres; a window or a picture may be scanned as a plane, and a box has a volume."""


def smallest_upright_box(points: FloatArray) -> WorldBox:
    """The box that stands upright, holds all points and has the least area in the ground plane.

    A smallest rectangle has a side along an edge of the points' convex hull (Freeman and Shapira, "Determining the
    minimum-area encasing rectangle for an arbitrary closed curve", 1975), so the directions of those edges are tried.

    Front and back are not known: the longer side is the box's own x (width), and ``yaw`` lies in (-pi/2, pi/2].

    Args:
        points: (N, 3) metres in a z-up world, N at least 1.

    Raises:
        ValueError: there is no point, or one is not finite.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1:] != (3,) or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"points must be (N, 3), finite and at least one. Got shape {points.shape}")
    middle = points[:, :2].mean(axis=0)  # OpenCV's hull is in float32
    hull = cv2.convexHull((points[:, :2] - middle).astype(np.float32)).reshape(-1, 2).astype(np.float64)
    edges = np.roll(hull, -1, axis=0) - hull
    edges = edges[np.linalg.norm(edges, axis=1) > 0]
    angles = np.arctan2(edges[:, 1], edges[:, 0]) if len(edges) else np.zeros(1)
    along = np.stack([np.cos(angles), np.sin(angles)], axis=-1)  # (E, 2)
    across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    own = np.stack([hull @ along.T, hull @ across.T])  # (2, points of the hull, E)
    sides = np.ptp(own, axis=1)  # (2, E)
    best = int(np.argmin(sides[0] * sides[1]))
    centers = (own.max(axis=1) + own.min(axis=1))[:, best] / 2
    center = middle + centers[0] * along[best] + centers[1] * across[best]
    low, high = points[:, 2].min(), points[:, 2].max()
    length, width, yaw = float(sides[0, best]), float(sides[1, best]), float(angles[best])
    if length < width:
        length, width, yaw = width, length, yaw + math.pi / 2
    return WorldBox(
        center=np.array([center[0], center[1], (low + high) / 2]),
        size=np.maximum([length, width, high - low], LEAST_SIDE),
        yaw=math.pi / 2 - (math.pi / 2 - yaw) % math.pi,
    )
