"""Rooms of 3D-FRONT houses as this project's rooms.

- A ``Room`` is a cuboid, so a room is the upright cuboid round its ``Floor`` meshes, from the floor to its highest
  ``WallInner`` or ``Ceiling`` vertex, moved so that its corner is the origin, not turned. Rooms whose floor fills too
  little of its rectangle (L shapes, slanted walls) are skipped: the cuboid would invent floor and lack walls.
- Furniture stands where the house has it. Walls are whole: doors, windows, baseboards, dropped ceilings and built-in
  cupboards are meshes of the shell, not furniture, and are neither drawn nor labelled. Looks of walls and floor and
  the light are drawn at random as in made rooms.
- Things whose model was not published, is on the other side of the split, or does not survive shrinking are left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill3d_ros.training.data.importers.front3d.furniture_models import (
    OWN_FROM_OBJ,
    FrontError,
    FrontModels,
    ModelError,
    split_of_model,
    stable_fraction,
    survives,
)
from distill3d_ros.training.data.importers.front3d.house import (
    WORLD_FROM_HOUSE,
    House,
    Placement,
    floor_and_height,
    floor_fill,
    placement,
)
from distill3d_ros.training.data.importers.import_options import Front3dOptions
from distill3d_ros.worlds.cameras import CameraRange
from distill3d_ros.worlds.furniture.furniture_model import Split
from distill3d_ros.worlds.materials import room_lights, room_surfaces
from distill3d_ros.worlds.room import FloatArray, PlacedObject, Room

MIN_LABELLED = CameraRange().min_objects
"""Rooms with fewer named things have no view that is worth keeping."""
THROUGH_WALL = 0.25
"""Metres that furniture may reach beyond the cuboid; wall surfaces of the set are not exact either."""
LEVEL = 0.05
"""Metres between the lowest and the highest point of a floor that counts as one level."""
DEFAULT_HEIGHT = 2.8
"""Metres, of rooms whose house has no mesh of their walls or ceiling."""
UPRIGHT = math.cos(math.radians(1.0))
REST = 0.03
"""Metres between the top of a thing and the base of what stands on it."""


class RoomSkippedError(FrontError):
    """A room that is not imported."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        """The same words for all rooms that are skipped for it."""
        self.detail = detail
        """What is wrong with the files, if anything is; not empty only for mistakes that the user can mend."""


@dataclass(frozen=True, slots=True, eq=False)
class _Thing:
    jid: str
    category: str
    placement: Placement


def front_room(
    house: House,
    number: int,
    models: FrontModels,
    *,
    split: Split,
    seed: int,
    min_fill: float = Front3dOptions.min_fill,
) -> tuple[Room, Counter[str]]:
    """Room ``number`` of a house, and how many of its things were left out, by reason.

    Args:
        split: which models it may show.
        seed: of the walls' looks and the light.
        min_fill: share of its rectangle that the floor must cover.

    Raises:
        RoomSkippedError: with the reason.
    """
    try:
        things, left_out = _things(house, number, split)
        floor, height = floor_and_height(house, number)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, RoomSkippedError):
            raise
        raise RoomSkippedError("broken room", f"{type(error).__name__}: {error}; unpack the house again") from error
    corner, size = _cuboid(floor, height, min_fill)
    _check_models(things, models)
    objects = _place(things, corner, models, left_out)
    _check_walls(objects, size)
    _find_supports(objects)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(house.rooms[number].get("type") or "room")).lower()
    rng = np.random.default_rng([seed, int(stable_fraction(house.name) * 2**32), number])
    lights, ambient = room_lights(size, rng)
    room = Room(
        type=words,
        seed=seed,
        split=split,
        size=size,
        objects=objects,
        surfaces=room_surfaces(next((wet for wet in ("bathroom", "kitchen") if wet in words), words), rng),
        lights=lights,
        ambient=ambient,
    )
    return room, left_out


def _things(house: House, number: int, split: Split) -> tuple[list[_Thing], Counter[str]]:
    """The furniture of a room that is public and of the right side."""
    things, left_out = [], Counter[str]()
    for child in house.rooms[number]["children"]:
        entry = house.furniture.get(child["ref"])
        if entry is None:
            continue
        if not entry.get("valid"):
            left_out["model not published"] += 1
        elif split_of_model(entry["jid"]) != split:
            left_out["model of the other split"] += 1
        else:
            things.append(_Thing(str(entry["jid"]), str(entry.get("category") or ""), placement(child)))
    if not things:
        raise RoomSkippedError("no usable furniture" if left_out else "no furniture")
    return things, left_out


def _cuboid(floor: FloatArray, top: float | None, min_fill: float) -> tuple[FloatArray, FloatArray]:
    """Lowest corner (3,) and size (3,) of the room."""
    if not len(floor):
        raise RoomSkippedError("no floor")
    low, high = floor.min(axis=(0, 1)), floor.max(axis=(0, 1))
    if high[2] - low[2] > LEVEL:
        raise RoomSkippedError("floor not level")
    if (high - low)[:2].min() < 0.5 or floor_fill(floor) < min_fill:
        raise RoomSkippedError("floor not rectangular")
    height = DEFAULT_HEIGHT if top is None else top - low[2]
    if not 1.8 <= height <= 8.0:
        raise RoomSkippedError("no room height")
    return low, np.array([high[0] - low[0], high[1] - low[1], height])


def _check_models(things: Sequence[_Thing], models: FrontModels) -> None:
    missing = sorted({thing.jid for thing in things if thing.jid not in models})
    if missing:
        raise RoomSkippedError("models missing", f"{', '.join(missing)}; unpack all of 3D-FUTURE into {models.folder}")
    if sum(bool(models.label(thing.jid, thing.category)) for thing in things) < MIN_LABELLED:
        raise RoomSkippedError(f"fewer than {MIN_LABELLED} named things")


def _place(
    things: Sequence[_Thing], corner: FloatArray, models: FrontModels, left_out: Counter[str]
) -> list[PlacedObject]:
    objects: list[PlacedObject] = []
    for thing in things:
        try:
            model = models.get(thing.jid, thing.category)
        except ModelError as error:
            raise RoomSkippedError("models broken", str(error)) from error
        if not survives(model):
            left_out["model lost in shrinking"] += 1
            continue
        where = thing.placement
        if (where.scale <= 1e-3).any():
            raise RoomSkippedError("mirrored or flat furniture")
        rotation = WORLD_FROM_HOUSE @ where.rotation @ OWN_FROM_OBJ.T
        leaning = bool(rotation[2, 2] < UPRIGHT)
        yaw = _heading(rotation)
        c, s = math.cos(yaw), math.sin(yaw)
        objects.append(
            PlacedObject(
                id=len(objects) + 1,
                model=model.furniture,
                position=where.to_world(model.base) - corner,
                rotation=rotation if leaning else np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]),
                yaw=yaw,
                scale=np.abs(OWN_FROM_OBJ) @ where.scale,
                leaning=leaning,
            )
        )
    if sum(bool(placed.label) for placed in objects) < MIN_LABELLED:
        raise RoomSkippedError(f"fewer than {MIN_LABELLED} named things")
    return objects


def _heading(rotation: FloatArray) -> float:
    """Yaw, radians, of a (3, 3) rotation whose second column is the front; of the first where the front is upright."""
    if abs(rotation[2, 1]) < 0.99:
        return math.atan2(-rotation[0, 1], rotation[1, 1])
    return math.atan2(rotation[1, 0], rotation[0, 0])


def _check_walls(objects: Sequence[PlacedObject], size: FloatArray) -> None:
    for placed in objects:
        points = placed.to_world(placed.model.vertices)[:, :2]
        if (points < -THROUGH_WALL).any() or (points > size[:2] + THROUGH_WALL).any():
            raise RoomSkippedError("furniture through walls")


def _find_supports(objects: Sequence[PlacedObject]) -> None:
    """The set does not say what stands on what: a thing rests on the top that its base is level with and above."""
    for upper in objects:
        if upper.position[2] < REST or upper.model.mount != "floor" or upper.leaning:
            continue
        for lower in objects:
            box = lower.box
            offset = upper.position[:2] - box.center[:2]
            c, s = math.cos(box.yaw), math.sin(box.yaw)
            own = np.abs([c * offset[0] + s * offset[1], c * offset[1] - s * offset[0]])
            top = box.center[2] + box.size[2] / 2
            if lower is not upper and abs(top - upper.position[2]) < REST and (own < box.size[:2] / 2).all():
                upper.support = lower.id
                break
