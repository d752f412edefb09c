"""A furnished room: placed objects, surfaces, lights, and a second room behind an opening.

World frame: z up, the floor is z = 0 and covers 0 <= x <= width, 0 <= y <= depth; metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel, Split
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
        """Empty for clutter: it is rendered, hides things and has depth, but no box and no name."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A rectangular hole from the floor up in a wall of a room: of an open door, or wider and without a leaf."""

    wall: int
    """0 (y = 0), 1 (x = width), 2 (y = depth) or 3 (x = 0)."""
    plane: float
    """Where the wall's face lies on the axis across it, metres."""
    low: float
    high: float
    """From ``low`` to ``high`` along the wall: in x for walls 0 and 2, in y for 1 and 3; metres."""
    height: float
    thickness: float
    """Of the wall between the two rooms, metres."""
    casing: float = 0.0
    """Width of the flat frame round it on both sides, metres; 0 for none."""

    @property
    def along(self) -> int:
        """The axis along the wall: 0 is x, 1 is y."""
        return self.wall % 2

    @property
    def outward(self) -> float:
        """1 where the second room lies at higher, -1 where it lies at lower values of the axis across."""
        return 1.0 if self.wall in (1, 2) else -1.0

    def out(self, points: npt.ArrayLike) -> FloatArray:
        """(...) how far (..., 2 or 3) points of the world lie beyond the wall's face; negative in the first room."""
        return (np.asarray(points, float)[..., 1 - self.along] - self.plane) * self.outward

    def to_world(self, points: npt.ArrayLike) -> FloatArray:
        """(..., 3) world; from (..., 3) along the wall (as ``low``), out of the room (as ``out``) and up."""
        local = np.asarray(points, float)
        world = np.empty(local.shape)
        world[..., self.along] = local[..., 0]
        world[..., 1 - self.along] = self.plane + self.outward * local[..., 1]
        world[..., 2] = local[..., 2]
        return world


@dataclass(kw_only=True, slots=True, eq=False)
class SecondRoom:
    """A room visible through an opening: another box beyond the wall. Its things are among the first room's."""

    type: str
    corner: FloatArray
    """(3,) where its lowest x, y and z lie in the world."""
    size: FloatArray
    """(3,) along x, y, z."""
    opening: Opening
    surfaces: Mapping[str, Surface]
    """By part, as those of ``Room``; its walls are numbered from its own corner."""
    frame: Surface
    """Of the opening's sides, threshold and casing."""
    lights: list[Light]
    ambient: FloatArray
    """(3,) linear RGB."""


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
    second: SecondRoom | None = None
    """The room behind an open door or another opening, if there is one."""

    def space_of(self, points: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """(...) 1 for (..., 3) points that belong to the second room, 0 for the others; parted amid the wall."""
        if self.second is None:
            return np.zeros(np.shape(points)[:-1], np.int64)
        opening = self.second.opening
        return (opening.out(points) > opening.thickness / 2).astype(np.int64)

    def in_sight(self, eye: npt.ArrayLike, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(N,) whether no wall stands between ``eye`` (3,) in the first room and (N, 3) points; furniture may."""
        points = np.asarray(points, float).reshape(-1, 3)
        if self.second is None:
            return np.ones(len(points), bool)
        opening, eye = self.second.opening, np.asarray(eye, float)
        near, far = opening.out(eye), opening.out(points)
        clear = np.ones(len(points), bool)
        for face in (0.0, opening.thickness):
            share = (face - near) / np.maximum(far - near, 1e-9)
            crossing = eye + share[:, None] * (points - eye)
            a = crossing[:, opening.along]
            clear &= (a > opening.low) & (a < opening.high) & (crossing[:, 2] < opening.height)
        return clear | (self.space_of(points) == 0)

    def by_id(self, object_id: int) -> PlacedObject:
        for placed in self.objects:
            if placed.id == object_id:
                return placed
        raise KeyError(f"the room has no object {object_id}; it has {[o.id for o in self.objects]}")

    def labelled(self) -> list[PlacedObject]:
        """The objects that have a name; the rest is clutter."""
        return [placed for placed in self.objects if placed.label]
