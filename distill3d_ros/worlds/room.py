"""A furnished room: what stands where, and how it looks.

World frame: z up, the floor is z = 0 and covers 0 <= x <= width, 0 <= y <= depth; metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.furniture import FurnitureModel, Split
from distill3d_ros.worlds.materials import Light, Surface

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldBox:
    """An upright box in the world: z up, its own axes turned by ``yaw`` about z (own +y is the front)."""

    center: FloatArray
    """(3,)"""
    size: FloatArray
    """(3,) full extents along own x, y, z."""
    yaw: float
    """Radians, counter-clockwise from above; 0: own +y is the world's +y. Front = (-sin yaw, cos yaw, 0)."""


@dataclass(kw_only=True, slots=True, eq=False)
class PlacedObject:
    """One instance of a model in a room."""

    id: int
    """At least 1 and unique in the room, clutter included."""
    model: FurnitureModel
    position: FloatArray
    """(3,) where the model's origin (centre of its base) lies."""
    rotation: FloatArray
    """(3, 3) own axes -> world; a turn about z for all but leaning things."""
    yaw: float
    """Radians; the heading of ``rotation``."""
    scale: FloatArray = field(default_factory=lambda: np.ones(3))
    """(3,) along the model's own axes, before the rotation."""
    tint: FloatArray = field(default_factory=lambda: np.ones(3))
    """(3,) multiplies the sRGB colours and textures."""
    flat_color: FloatArray | None = None
    """(3,) sRGB 0..1 that replaces all its colours and textures, before the tint."""
    support: int | None = None
    """Id of the object that it was put on; None on the floor, wall or ceiling."""
    leaning: bool = False
    """Tilted against a wall or another object."""

    @property
    def label(self) -> str:
        """Empty for clutter: it is seen, hides things and has depth, but no box and no name."""
        return self.model.label

    def to_world(self, points: npt.ArrayLike) -> FloatArray:
        """(..., 3) in the model's axes -> world."""
        return (np.asarray(points, float) * self.scale) @ self.rotation.T + self.position

    def mesh(self) -> tuple[FloatArray, npt.NDArray[np.int32]]:
        """World vertices (V, 3) and faces (F, 3)."""
        return self.to_world(self.model.vertices), self.model.faces

    @property
    def box(self) -> WorldBox:
        """The box along the model's own axes; of a leaning thing the upright box with its heading that holds it."""
        if not self.leaning:
            size = self.model.size * self.scale
            return WorldBox(center=self.position + np.array([0.0, 0.0, size[2] / 2]), size=size, yaw=self.yaw)
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        heading = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        own = self.to_world(self.model.vertices) @ heading
        low, high = own.min(axis=0), own.max(axis=0)
        return WorldBox(center=heading @ ((low + high) / 2), size=high - low, yaw=self.yaw)


@dataclass(kw_only=True, slots=True, eq=False)
class Room:
    """A furnished room, enough to render it."""

    type: str
    seed: int
    split: Split
    """Which models it uses."""
    size: FloatArray
    """(3,) width (x), depth (y), height (z)."""
    objects: list[PlacedObject]
    surfaces: Mapping[str, Surface]
    """By part: floor, ceiling, wall_0 (y = 0), wall_1 (x = width), wall_2 (y = depth), wall_3 (x = 0)."""
    lights: list[Light]
    ambient: FloatArray
    """(3,) linear RGB."""

    def by_id(self, object_id: int) -> PlacedObject:
        for placed in self.objects:
            if placed.id == object_id:
                return placed
        raise KeyError(f"the room has no object {object_id}; it has {[o.id for o in self.objects]}")

    def mesh(self, placed: PlacedObject) -> tuple[FloatArray, npt.NDArray[np.int32]]:
        """World vertices (V, 3) and faces (F, 3) of one of its objects."""
        return placed.mesh()

    def labelled(self) -> list[PlacedObject]:
        """The objects that have a name; the rest is clutter."""
        return [placed for placed in self.objects if placed.label]
