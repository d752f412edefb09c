"""A second room behind an open door: opening, door leaf and furniture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distill3d_ros.worlds.furniture.palettes import surface_colors
from distill3d_ros.worlds.furniture.procedural import DOOR_LEAF, extra_models
from distill3d_ros.worlds.furniture.procedural_fixtures import LEAF_THICKNESS
from distill3d_ros.worlds.layout.builder import Builder, FloatArray
from distill3d_ros.worlds.layout.groups import openings
from distill3d_ros.worlds.layout.looks import Instance
from distill3d_ros.worlds.layout.room_types import ROOM_TYPES, furnish, room_sides
from distill3d_ros.worlds.layout.space import footprint, turn_about_z
from distill3d_ros.worlds.materials import Light, hsv, make_surface, room_lights, room_surfaces
from distill3d_ros.worlds.room import Opening, PlacedObject, SecondRoom

SECOND_ROOM_SHARE = 0.35
"""Share of the training rooms with a second one."""
LEAF_SHARE = 0.65
"""Share of the openings with an open door leaf; the others are wider and have none."""
FURTHER_DOORS = 0.3
"""Share of the rooms with such an opening that also have a closed door."""
_LABELLED = (5, 10)
"""How many named things a second room is filled up to: low, high (exclusive)."""
_TO_CORNER = 0.2
"""Metres from an opening to the next corner of either room, at least."""
_PIVOT = 0.01
"""Distance of a leaf's hinges from the wall, metres."""
_AJAR = (np.radians(60.0), np.radians(125.0))
"""Range of a leaf's opening angle, radians."""


@dataclass(slots=True, eq=False)
class SecondRoomPlan:
    """The opening between two rooms that are being furnished; ``draw``, then ``open_wall``, then the rest."""

    first: Builder
    second: Builder
    type: str
    corner: FloatArray
    """(3,) of the second room, in the world."""
    opening: Opening
    has_leaf: bool

    @classmethod
    def draw(cls, first: Builder, first_type: str, rng: np.random.Generator) -> SecondRoomPlan:
        """An opening in one of the walls of ``first``, which is still empty, and an empty room behind it."""
        kind = str(rng.choice([t for t in ROOM_TYPES if t not in (first_type, "tabletop")]))
        sides = room_sides(kind)
        size = np.array([*rng.uniform(*sides, 2), rng.uniform(2.4, 2.9)])
        wall, has_leaf = int(rng.integers(4)), bool(rng.uniform() < LEAF_SHARE)
        casing = rng.uniform(0.05, 0.1) if has_leaf or rng.uniform() < 0.5 else 0.0
        along, thickness = wall % 2, rng.uniform(0.08, 0.22)
        longest = min(first.size[along], size[along]) - 2 * _TO_CORNER
        width = rng.uniform(0.78, 0.98) if has_leaf else min(rng.uniform(1.0, 2.2), longest)
        highest = min(first.size[2], size[2]) - 0.12
        height = rng.uniform(1.97, 2.1) if has_leaf else rng.uniform(2.0, highest)
        low = rng.uniform(_TO_CORNER, first.size[along] - _TO_CORNER - width)
        corner = np.zeros(3)
        corner[along] = low - rng.uniform(_TO_CORNER, size[along] - _TO_CORNER - width)
        outward = wall in (1, 2)
        plane = float(first.size[1 - along]) if outward else 0.0
        corner[1 - along] = plane + thickness if outward else plane - thickness - size[1 - along]
        opening = Opening(
            wall=wall, plane=plane, low=low, high=low + width, height=height, thickness=thickness, casing=casing
        )
        second = Builder(pack=first.pack, split=first.split, size=size, rng=rng, varied=first.varied)
        return cls(first=first, second=second, type=kind, corner=corner, opening=opening, has_leaf=has_leaf)

    def other_walls(self, space: int) -> list[int]:
        """The walls of the first (0) or second (1) room without the opening: for windows and closed doors."""
        return [wall for wall in range(4) if wall != (self.opening.wall + 2 * space) % 4]

    def open_wall(self) -> None:
        """Keep the passage free in both rooms, and hang the leaf in one of them."""
        opening = self.opening
        if self.has_leaf:
            self._hang_leaf()
        wide = opening.high - opening.low + 2 * opening.casing
        for builder, corner, out in ((self.first, np.zeros(3), -0.4), (self.second, self.corner, 0.4)):
            middle = opening.to_world([(opening.low + opening.high) / 2, out + (out > 0) * opening.thickness, 0.0])
            size = (wide, 0.8) if opening.along == 0 else (0.8, wide)
            builder.keep_free((middle - corner)[:2], size, 0.0, high=opening.height + opening.casing)

    def _hang_leaf(self) -> None:
        """In either room, at either side of the opening, as far open as the walls allow."""
        rng, opening = self.second.rng, self.opening
        instance = self.second.draw(extra_models(DOOR_LEAF))
        assert instance is not None  # there are always some
        wide = opening.high - opening.low - 0.01
        instance.scale[:] = (wide / instance.model.size[0], 1.0, (opening.height - 0.015) / instance.model.size[2])
        for _ in range(12):
            space, hinge, ajar = int(rng.integers(2)), int(rng.choice([-1, 1])), float(rng.uniform(*_AJAR))
            if self._put_leaf(instance, space, hinge, ajar):
                return
        self._put_leaf(instance, 0, 1, np.pi / 2)

    def _put_leaf(self, instance: Instance, space: int, hinge: int, ajar: float) -> bool:
        """Hung at the ``low`` (1) or ``high`` (-1) side and turned by ``ajar`` into a room; False where a wall is."""
        opening = self.opening
        builder, corner = ((self.first, np.zeros(3)), (self.second, self.corner))[space]
        into = 1.0 if space else -1.0
        # On the plan, from the closed leaf: along it away from its hinges, and out of the wall.
        turned = np.array([hinge * np.cos(ajar), into * np.sin(ajar)])
        across = np.array([-hinge * np.sin(ajar), into * np.cos(ajar)])
        pivot = np.array([opening.low + 0.005 if hinge > 0 else opening.high - 0.005, into * _PIVOT])
        pivot[1] += space * opening.thickness
        middle = pivot + turned * instance.size[0] / 2 - across * (LEAF_THICKNESS / 2 + _PIVOT)
        ends = opening.to_world([[*place, 0.0] for place in (pivot, middle, pivot + turned * instance.size[0])])
        position = ends[1] - corner + [0.0, 0.0, 0.006]
        tip = (ends[2] - corner)[:2]
        if (tip < 0.1).any() or (tip > builder.size[:2] - 0.1).any():
            return False
        way = ends[2] - ends[0]
        yaw = float(np.arctan2(way[1], way[0]))
        taken = footprint(position, instance.size, yaw, 0.0, float(instance.size[2]), len(builder.objects) + 1)
        builder.add(instance, position, turn_about_z(yaw), yaw, taken, None)
        return True

    def furnished(self) -> list[PlacedObject]:
        """The second room's things, in the world, with numbers after those of the first one, which is complete."""
        openings(self.second, walls=self.other_walls(1), door=FURTHER_DOORS)
        furnish(self.second, self.type, _LABELLED)
        before = len(self.first.objects)
        for placed in self.second.objects:
            placed.id += before
            placed.position = placed.position + self.corner
            placed.support = None if placed.support is None else placed.support + before
        return self.second.objects

    def second_room(self) -> SecondRoom:
        """Its walls and its lamp: of its own, one, brighter or darker than the first room's."""
        rng = self.second.rng
        lights, ambient = room_lights(self.second.size, rng)
        power, brightness = sum(light.intensity for light in lights), rng.uniform(0.6, 1.25)
        lamp = max(lights, key=lambda light: light.intensity)
        lamp = Light(position=lamp.position + self.corner, color=lamp.color, intensity=power * brightness, shadow=True)
        surfaces = room_surfaces(self.type, rng, colors=surface_colors(rng))
        color = hsv(rng.uniform(), rng.beta(1.0, 12.0), rng.uniform(0.7, 1.0))
        if rng.uniform() < 0.35:
            color = hsv(rng.uniform(0.04, 0.11), rng.uniform(0.15, 0.65), rng.uniform(0.25, 0.9))
        return SecondRoom(
            type=self.type,
            corner=self.corner,
            size=self.second.size,
            opening=self.opening,
            surfaces=surfaces,
            frame=make_surface("plain", color, rng),
            lights=[lamp],
            ambient=ambient * brightness,
        )
