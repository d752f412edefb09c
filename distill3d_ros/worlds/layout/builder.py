"""Placement of things in a room without collisions: against walls, on the floor, on each other, leaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel, Split
from distill3d_ros.worlds.furniture.pack import FurniturePack
from distill3d_ros.worlds.furniture.procedural import extra_models
from distill3d_ros.worlds.furniture.support_map import (
    CELLS,
    SupportMap,
    flat_cells,
    heights_under,
    highest_within,
    support_map,
)
from distill3d_ros.worlds.layout.looks import Instance, choose, vary
from distill3d_ros.worlds.layout.space import Footprint, footprint, overlap, tilted, turn_about_z
from distill3d_ros.worlds.layout.touch import slide
from distill3d_ros.worlds.room import PlacedObject

FloatArray = npt.NDArray[np.float64]
SLACK = 0.0005
"""Gap left between things that are put against each other, so that they touch and do not cut; metres."""
WALL_YAWS = (0.0, np.pi / 2, np.pi, -np.pi / 2)
"""Heading of a thing whose back is at wall 0 (y = 0), 1 (x = width), 2 (y = depth), 3 (x = 0)."""


@dataclass(slots=True, eq=False)
class Builder:
    """A room under construction."""

    pack: FurniturePack
    split: Split
    size: FloatArray
    rng: np.random.Generator
    varied: bool = False
    """Use designs beyond the pack's, see ``layout.make_room``."""
    objects: list[PlacedObject] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Placed things by label."""

    def pick(
        self, label: str, kinds: Sequence[str] | None = None, max_size: Sequence[float] | None = None
    ) -> Instance | None:
        """A varied model of a label, of given kinds and at most of a size; None if the split has none."""
        models: Iterable[FurnitureModel] = self.models(label)
        if kinds is not None:
            models = [m for m in models if m.kind in kinds]
        if max_size is not None:
            models = [m for m in models if (m.size <= np.asarray(max_size)).all()]
        return self.draw(list(models))

    def models(self, label: str) -> tuple[FurnitureModel, ...]:
        """The models of a label that the room may use."""
        models = self.pack.by_label(label, self.split)
        return (*models, *extra_models(label)) if self.varied else models

    def draw(self, models: Sequence[FurnitureModel]) -> Instance | None:
        """One of some models, with proportions and colours of its own; None if there are none."""
        if not models:
            return None
        return vary(choose(models, self.pack, self.rng, varied=self.varied), self.rng, quiet=self.varied)

    def count(self, label: str) -> int:
        return self.counts[label]

    @property
    def named(self) -> int:
        """Number of things with a name."""
        return len(self.objects) - self.counts[""]

    def fits(self, candidate: Footprint, ignore: Iterable[int] = ()) -> bool:
        """Inside the room and free of everything placed, but for the ignored ids."""
        reach = np.abs(candidate.axes.T) @ candidate.half
        if (candidate.center - reach < -0.001).any() or (candidate.center + reach > self.size[:2] + 0.001).any():
            return False
        if candidate.high > self.size[2] + 0.001:
            return False
        skip = set(ignore)
        return not any(f.owner not in skip and overlap(candidate, f) for f in self.footprints)

    def keep_free(self, center: npt.ArrayLike, size: npt.ArrayLike, yaw: float, high: float = 2.0) -> None:
        self.footprints.append(footprint(center, size, yaw, 0.0, high, 0))

    def put(
        self,
        instance: Instance,
        xy: npt.ArrayLike,
        yaw: float,
        z: float = 0.0,
        *,
        ignore: Iterable[int] = (),
        support: int | None = None,
    ) -> PlacedObject | None:
        """Place it if it fits; things in ``ignore`` may overlap its box."""
        yaw = float((yaw + np.pi) % (2 * np.pi) - np.pi)
        candidate = footprint(xy, instance.size, yaw, z, z + instance.size[2], len(self.objects) + 1)
        if not self.fits(candidate, ignore):
            return None
        position = np.array([*np.asarray(xy, float)[:2], z])
        return self.add(instance, position, turn_about_z(yaw), yaw, candidate, support)

    def add(
        self,
        instance: Instance,
        position: FloatArray,
        rotation: FloatArray,
        yaw: float,
        taken: Footprint,
        support: int | None,
        leaning: bool = False,
    ) -> PlacedObject:
        placed = PlacedObject(
            id=len(self.objects) + 1,
            model=instance.model,
            position=position,
            rotation=rotation,
            yaw=yaw,
            scale=instance.scale,
            tint=instance.tint,
            flat_color=instance.flat_color,
            support=support,
            leaning=leaning,
        )
        self.objects.append(placed)
        self.counts[placed.label] += 1
        self.footprints.append(taken)
        return placed

    def wall_length(self, wall: int) -> float:
        return float(self.size[wall % 2])

    def wall_point(self, wall: int, along: float, out: float) -> FloatArray:
        """Point ``out`` metres into the room; ``along`` counts in the direction of a wall thing's own -x."""
        w, d = self.size[:2]
        return np.array([(w - along, out), (w - out, d - along), (along, d - out), (out, along)][wall])

    def against_wall(
        self,
        instance: Instance,
        wall: int,
        *,
        along: float | None = None,
        z: float = 0.0,
        gap: float = 0.0,
        tries: int = 8,
        turn: float = 0.0,
    ) -> PlacedObject | None:
        """Back to the wall, anywhere along it or at a given place."""
        width, depth = instance.size[:2]
        c, s = abs(np.cos(turn)), abs(np.sin(turn))
        width, depth = width * c + depth * s, depth * c + width * s
        room = self.wall_length(wall)
        if width > room:
            return None
        for _ in range(1 if along is not None else tries):
            t = along if along is not None else self.rng.uniform(width / 2, room - width / 2)
            xy = self.wall_point(wall, t, depth / 2 + gap + SLACK)
            if placed := self.put(instance, xy, WALL_YAWS[wall] + turn, z):
                return placed
        return None

    def somewhere(
        self, instance: Instance, tries: int = 12, yaw: float | None = None, margin: float = 0.0
    ) -> PlacedObject | None:
        """On the free floor, at any angle."""
        for _ in range(tries):
            xy = self.rng.uniform(margin, self.size[:2] - margin)
            angle = self.rng.uniform(-np.pi, np.pi) if yaw is None else yaw
            if placed := self.put(instance, xy, angle):
                return placed
        return None

    def beside(
        self, instance: Instance, anchor: PlacedObject, side: int, gap: float = SLACK, flush: str = "back"
    ) -> PlacedObject | None:
        """At the left (-1) or right (+1) of another thing, same heading; backs aligned, or centres."""
        half = (anchor.model.size * anchor.scale)[:2] / 2
        own_x = side * (half[0] + instance.size[0] / 2 + gap)
        own_y = -half[1] + instance.size[1] / 2 if flush == "back" else 0.0
        xy = anchor.position[:2] + anchor.rotation[:2, :2] @ [own_x, own_y]
        return self.put(instance, xy, anchor.yaw)

    def push_to(
        self,
        instance: Instance,
        target: PlacedObject,
        start: npt.ArrayLike,
        yaw: float,
        travel: float,
        *,
        z: float = 0.0,
        on: PlacedObject | None = None,
    ) -> PlacedObject | None:
        """Move it from ``start`` (x, y) towards the middle of ``target`` until they touch, at most ``travel`` metres.

        ``start`` must be clear of the target. With ``on``, both stand on that thing, and it must be level there.
        """
        position = np.array([*np.asarray(start, float)[:2], z])
        way = np.array([*(target.position[:2] - position[:2]), 0.0])
        way /= max(float(np.linalg.norm(way)), 1e-9)
        moved, _ = slide(instance, turn_about_z(yaw), position, way, target, travel)
        xy = (position + moved * way)[:2]
        if on is not None:
            level = self._standing_height(instance, on, self.support_map(on.model), xy, yaw)
            if level is None or abs(level - z) > 0.001:
                return None
            return self.put(instance, xy, yaw, level, ignore=(target.id, on.id), support=on.id)
        return self.put(instance, xy, yaw, z, ignore=(target.id,))

    def in_front(
        self,
        instance: Instance,
        anchor: PlacedObject,
        gap: float,
        *,
        shift: float = 0.0,
        turn: float = np.pi,
        ignore: Iterable[int] = (),
    ) -> PlacedObject | None:
        """In front of another thing (negative gap: pushed under it), turned towards it by default."""
        depth = (anchor.model.size * anchor.scale)[1]
        own = np.array([shift, depth / 2 + gap + instance.size[1] / 2])
        xy = anchor.position[:2] + anchor.rotation[:2, :2] @ own
        return self.put(instance, xy, anchor.yaw + turn, ignore=ignore)

    def support_map(self, model: FurnitureModel) -> SupportMap:
        """From the pack's cache."""
        return self.pack.support_maps.get(model.name, lambda: support_map(model))

    def on_top(
        self,
        instance: Instance,
        support: PlacedObject,
        *,
        yaw: float | None = None,
        near_front: bool = False,
        back: bool = False,
        tries: int = 5,
        near: npt.ArrayLike | None = None,
    ) -> PlacedObject | None:
        """Stand it on another thing where that is level, exactly as high as its surface there."""
        surface = self.support_map(support.model)
        heading = self.rng.uniform(-np.pi, np.pi) if yaw is None else yaw
        c, s = abs(np.cos(heading - support.yaw)), abs(np.sin(heading - support.yaw))
        half = np.array([[c, s], [s, c]]) @ instance.size[:2] / 2 * 0.85 / support.scale[:2]
        cells = flat_cells(surface, support.model.size, half)
        if len(cells) == 0:
            return None
        own = (cells + 0.5) / CELLS * support.model.size[:2] - support.model.size[:2] / 2
        weights = np.ones(len(own))
        if near_front or back:
            weights = np.exp((1 if near_front else -1) * own[:, 1] / max(support.model.size[1], 0.1) * 6)
        if near is not None:
            weights = np.exp(-np.linalg.norm(own * support.scale[:2] - np.asarray(near, float), axis=1) / 0.06)
        for k in self.rng.choice(len(own), min(tries, len(own)), p=weights / weights.sum(), replace=False):
            xy = support.to_world([*own[k], 0.0])[:2]
            z = self._standing_height(instance, support, surface, xy, heading)
            if z is None:
                continue
            if placed := self.put(instance, xy, heading, z, ignore=(support.id,), support=support.id):
                return placed
        return None

    def put_under(self, instance: Instance, table: PlacedObject, xy: FloatArray, yaw: float) -> PlacedObject | None:
        """On the floor within the box of a table that it is lower than, clear of its legs."""
        start = np.array([*xy[:2], 0.0])
        _, met = slide(instance, turn_about_z(yaw), start, np.array([1.0, 0.0, 0.0]), table, 0.0)
        if met:
            return None
        return self.put(instance, xy, yaw, ignore=(table.id,))

    def _standing_height(
        self, instance: Instance, support: PlacedObject, surface: SupportMap, xy: FloatArray, yaw: float
    ) -> float | None:
        """World height at which its base rests on the support there; None if that is not level or not all under it."""
        grid = np.linspace(-0.46, 0.46, 5)
        own = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2) * instance.size[:2]
        turn = turn_about_z(yaw)[:2, :2]
        world = own @ turn.T + xy
        local = (world - support.position[:2]) @ support.rotation[:2, :2] / support.scale[:2]
        heights = heights_under(surface, local)
        if not np.isfinite(heights).all() or np.ptp(heights) * support.scale[2] > 0.0015:
            return None
        # between the points of the grid, too, nothing may stick up
        placed_in_base = (support.rotation[:2, :2] @ np.diag(support.scale[:2])).T @ turn
        between = highest_within(surface, placed_in_base, (support.position[:2] - xy) @ turn, instance.size[:2] / 2)
        top = max(float(heights.max()), between)
        if (top - heights.min()) * support.scale[2] > 0.0015:
            return None
        return float(support.position[2] + top * support.scale[2]) + SLACK / 5

    def lean(self, instance: Instance, wall: int, tilt: float, tries: int = 6) -> PlacedObject | None:
        """On the floor, its back tilted against a wall until its top edge meets it."""
        yaw = WALL_YAWS[wall]
        rotation, low, out = tilted(instance, yaw, tilt)
        width = instance.size[0]
        if width > self.wall_length(wall):
            return None
        inward = np.array([-np.sin(yaw), np.cos(yaw)])
        for _ in range(tries):
            along = self.rng.uniform(width / 2, self.wall_length(wall) - width / 2)
            xy = self.wall_point(wall, along, SLACK - out[0])
            placed = self._put_tilted(instance, rotation, np.array([*xy, -low]), yaw, inward, out, ())
            if placed is not None:
                return placed
        return None

    def lean_on(self, instance: Instance, target: PlacedObject, side: int, tilt: float) -> PlacedObject | None:
        """On the floor, its back tilted against one side (0 front, 1 left, 2 back, 3 right) of another thing."""
        yaw = target.yaw + side * np.pi / 2
        rotation, low, out = tilted(instance, yaw, tilt)
        inward = np.array([-np.sin(yaw), np.cos(yaw)])
        half = (target.model.size * target.scale)[:2] / 2
        reach = half[1] if side % 2 == 0 else half[0]
        across = self.rng.uniform(-0.6, 0.6) * (half[0] if side % 2 == 0 else half[1])
        start = target.position[:2] + inward * (reach - out[0] + 0.02) + across * np.array([inward[1], -inward[0]])
        position = np.array([*start, -low])
        moved, met = slide(instance, rotation, position, np.array([*-inward, 0.0]), target, 0.3)
        if not met:
            return None
        position[:2] -= moved * inward
        return self._put_tilted(instance, rotation, position, yaw, inward, out, (target.id,))

    def _put_tilted(
        self,
        instance: Instance,
        rotation: FloatArray,
        position: FloatArray,
        yaw: float,
        inward: FloatArray,
        out: FloatArray,
        ignore: Iterable[int],
    ) -> PlacedObject | None:
        center = position[:2] + inward * (out[0] + out[1]) / 2
        height = float(((instance.model.vertices * instance.scale) @ rotation.T)[:, 2].max() + position[2])
        size = (instance.size[0], out[1] - out[0])
        candidate = footprint(center, size, yaw, 0.0, height, len(self.objects) + 1)
        if not self.fits(candidate, ignore):
            return None
        heading = float((yaw + np.pi) % (2 * np.pi) - np.pi)
        return self.add(instance, position, rotation, heading, candidate, None, leaning=True)
