"""Sliding of a thing until its mesh touches another: chairs under tables, things side by side, leaning things."""

from __future__ import annotations

import fcl
import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.layout.looks import Instance
from distill3d_ros.worlds.room import PlacedObject

FloatArray = npt.NDArray[np.float64]
Faces = npt.NDArray[np.int32]
TOUCH = 0.0012
"""Metres; closer than this is contact. The slide stops here, so that nothing is cut."""
_KEEP = 0.0004
_STEPS = 14


def slide(
    instance: Instance,
    rotation: FloatArray,
    start: FloatArray,
    direction: FloatArray,
    target: PlacedObject,
    travel: float,
) -> tuple[float, bool]:
    """Distance along the horizontal unit ``direction`` from ``start`` (3,) until it meets the target.

    Second result: whether it did meet it within ``travel`` metres. Conservative advancement: each step is as long as
    the distance between the two, so nothing is crossed.
    """
    aside = np.array([-direction[1], direction[0], 0.0])
    across = np.stack([aside, [0.0, 0.0, 1.0]], axis=1)  # (3, 2): what the motion leaves unchanged
    moving = (instance.model.vertices * instance.scale) @ rotation.T + start
    standing, standing_faces = target.mesh()
    # only triangles whose projections overlap can meet; building the trees of all of them would be most of the work
    moving_faces = _in_the_way(moving @ across, instance.model.faces, standing @ across)
    standing_faces = _in_the_way(standing @ across, standing_faces, moving @ across)
    if len(moving_faces) == 0 or len(standing_faces) == 0:
        return travel, False
    mover, obstacle = _solid(moving, moving_faces), _solid(standing, standing_faces)
    moved = 0.0
    for _ in range(_STEPS):
        mover.setTransform(fcl.Transform(np.eye(3), moved * direction))
        distance = fcl.distance(mover, obstacle, fcl.DistanceRequest(), fcl.DistanceResult())
        if distance < TOUCH:
            return moved, True
        if moved >= travel:
            return travel, False
        moved = min(travel, moved + distance - _KEEP)
    return moved, False


def _in_the_way(points: FloatArray, faces: Faces, others: FloatArray) -> Faces:
    """The faces whose (V, 2) projections reach into the bounds of the other's."""
    low, high = others.min(axis=0) - TOUCH, others.max(axis=0) + TOUCH
    corners = points[faces]  # (F, 3, 2)
    return faces[((corners.max(axis=1) >= low) & (corners.min(axis=1) <= high)).all(axis=1)]


def _solid(vertices: FloatArray, faces: Faces) -> fcl.CollisionObject:
    shape = fcl.BVHModel()
    shape.beginModel(len(vertices), len(faces))
    shape.addSubModel(np.asarray(vertices, float), faces)
    shape.endModel()
    return fcl.CollisionObject(shape, fcl.Transform())
