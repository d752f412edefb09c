"""Slide a thing until its mesh meets another: chairs under tables, things side by side, things that lean."""

from __future__ import annotations

from collections.abc import Iterable

import fcl
import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.layout_looks import Instance
from distill3d_ros.worlds.room import PlacedObject

FloatArray = npt.NDArray[np.float64]
TOUCH = 0.0012
"""Metres; closer than this is contact. The slide stops here, so that nothing is cut."""
_KEEP = 0.0004
_STEPS = 14


def solid(vertices: FloatArray, faces: npt.NDArray[np.int32], rotation: FloatArray, position: FloatArray) -> fcl.CollisionObject:
    """A mesh for distance queries; ``vertices`` are scaled, in own axes."""
    shape = fcl.BVHModel()
    shape.beginModel(len(vertices), len(faces))
    shape.addSubModel(np.asarray(vertices, float), faces)
    shape.endModel()
    return fcl.CollisionObject(shape, fcl.Transform(np.asarray(rotation, float), np.asarray(position, float)))


def solid_of(placed: PlacedObject) -> fcl.CollisionObject:
    """The mesh of something placed."""
    return solid(placed.model.vertices * placed.scale, placed.model.faces, placed.rotation, placed.position)


def slide(
    instance: Instance,
    rotation: FloatArray,
    start: FloatArray,
    direction: FloatArray,
    targets: Iterable[fcl.CollisionObject],
    travel: float,
) -> tuple[float, bool]:
    """How far it can move along the unit ``direction`` from ``start`` (3,) before it meets a target, and whether it did.

    Conservative advancement: each step is as long as the distance to the nearest target, so nothing is crossed.
    """
    targets = list(targets)
    mover = solid(instance.model.vertices * instance.scale, instance.model.faces, rotation, start)
    moved = 0.0
    for _ in range(_STEPS):
        mover.setTransform(fcl.Transform(np.asarray(rotation, float), start + moved * direction))
        distance = min(fcl.distance(mover, target, fcl.DistanceRequest(), fcl.DistanceResult()) for target in targets)
        if distance < TOUCH:
            return moved, True
        if moved >= travel:
            return travel, False
        moved = min(travel, moved + distance - _KEEP)
    return moved, False
