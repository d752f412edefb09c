"""Occupied space: ground rectangles with a height range, rotations and tilts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.layout.looks import Instance

FloatArray = npt.NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Footprint:
    """Ground rectangle and height range of something placed, or kept free."""

    center: FloatArray
    half: FloatArray
    axes: FloatArray
    """(2, 2) rows: own x and y."""
    low: float
    high: float
    owner: int
    """Object id; 0 for a zone that is to stay free."""


def footprint(center: npt.ArrayLike, size: npt.ArrayLike, yaw: float, low: float, high: float, owner: int) -> Footprint:
    c, s = np.cos(yaw), np.sin(yaw)
    half = np.asarray(size, float)[:2] / 2
    return Footprint(np.asarray(center, float)[:2], half, np.array([[c, s], [-s, c]]), low, high, owner)


def turn_about_z(yaw: float) -> FloatArray:
    """(3, 3)"""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def overlap(a: Footprint, b: Footprint) -> bool:
    """Whether two upright boxes share more than a millimetre (separating axes)."""
    if min(a.high, b.high) - max(a.low, b.low) < 0.0005:
        return False
    between = b.center - a.center
    for axes in (a.axes, b.axes):
        for axis in axes:
            reach = a.half @ np.abs(a.axes @ axis) + b.half @ np.abs(b.axes @ axis)
            if abs(between @ axis) > reach - 0.0004:
                return False
    return True


def tilted(instance: Instance, yaw: float, tilt: float) -> tuple[FloatArray, float, FloatArray]:
    """Rotation of a thing that leans back by ``tilt``; lowest z of its mesh; its extent (2,) along its heading."""
    ct, st = np.cos(tilt), np.sin(tilt)
    rotation = turn_about_z(yaw) @ np.array([[1.0, 0.0, 0.0], [0.0, ct, -st], [0.0, st, ct]])
    points = (instance.model.vertices * instance.scale) @ rotation.T
    along = points[:, :2] @ np.array([-np.sin(yaw), np.cos(yaw)])
    return rotation, float(points[:, 2].min()), np.array([along.min(), along.max()])
