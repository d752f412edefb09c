"""Contacts, supports and distances between objects, from their meshes.

Boxes are unreliable for this under about eight centimetres: a chair's box overlaps that of the table it is pushed
under, without touching it.
"""

from __future__ import annotations

from dataclasses import dataclass

import fcl
import numpy as np

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Pair, pair
from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel
from distill3d_ros.worlds.lru_cache import LruCache
from distill3d_ros.worlds.room import PlacedObject, Room

CONTACT_DISTANCE = 0.008
"""Metres; meshes that come this close touch. Layouts put things in contact within 2 mm, decimation moves surfaces
by a few more."""

GAP_REACH = 3.0
"""Metres; the gap of pairs whose boxes are farther apart than this is not measured. Relations then use the boxes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactTruth:
    """Contacts, gaps and supports of all named objects of a room."""

    contacts: frozenset[Pair]
    """Pairs whose meshes come within ``CONTACT_DISTANCE``."""
    gaps: dict[Pair, float]
    """Smallest distance between the meshes in metres, 0 where they cross, for pairs within ``GAP_REACH``."""
    supports: dict[int, int]
    """Object -> the object that it stands or lies on; only where the meshes are in contact."""


_ShapeKey = tuple[int, tuple[float, ...]]
_shapes: LruCache[_ShapeKey, tuple[FurnitureModel, fcl.BVHModel]] = LruCache(100)
"""Collision geometry of furniture models by id and scale; building one costs more than a query."""


def _collision_shape(placed: PlacedObject) -> fcl.BVHModel:
    def build() -> tuple[FurnitureModel, fcl.BVHModel]:
        vertices = np.asarray(placed.model.vertices, np.float64) * placed.scale
        shape = fcl.BVHModel()
        shape.beginModel(len(vertices), len(placed.model.faces))
        shape.addSubModel(vertices, placed.model.faces)
        shape.endModel()
        return placed.model, shape  # keeping the model keeps its id from being used again

    return _shapes.get((id(placed.model), tuple(np.round(np.asarray(placed.scale, float), 9))), build)[1]


def contact_truth(room: Room) -> ContactTruth:
    """Contacts, gaps and supports among the named objects of ``room``."""
    objects = room.labelled()
    solids = [fcl.CollisionObject(_collision_shape(o), fcl.Transform(o.rotation, o.position)) for o in objects]
    apart = bounds_gaps(objects)
    gaps: dict[Pair, float] = {}
    for i in range(len(objects)):
        for j in range(i + 1, len(objects)):
            if apart[i, j] <= GAP_REACH:
                gaps[pair(objects[i].id, objects[j].id)] = mesh_distance(solids[i], solids[j])
    contacts = frozenset(key for key, gap in gaps.items() if gap <= CONTACT_DISTANCE)
    supports = {o.id: o.support for o in objects if o.support is not None and pair(o.id, o.support) in contacts}
    return ContactTruth(contacts=contacts, gaps=gaps, supports=supports)


def mesh_distance(a: fcl.CollisionObject, b: fcl.CollisionObject) -> float:
    """Smallest distance between two meshes in metres; 0 where they cross."""
    result = fcl.DistanceResult()
    return max(0.0, float(fcl.distance(a, b, fcl.DistanceRequest(), result)))


def bounds_gaps(objects: list[PlacedObject]) -> FloatArray:
    """(N, N) distances between the axis-aligned bounds; never more than those between the meshes."""
    low, high = np.empty((len(objects), 3)), np.empty((len(objects), 3))
    for i, placed in enumerate(objects):
        vertices = placed.to_world(placed.model.vertices)
        low[i], high[i] = vertices.min(0), vertices.max(0)
    between = np.maximum(0.0, np.maximum(low[:, None] - high[None], low[None] - high[:, None]))
    return np.linalg.norm(between, axis=-1)
