"""Random furnished rooms: the same seed and the same pack give the same room."""

from __future__ import annotations

import numpy as np

from distill3d_ros.worlds.furniture.furniture_model import Split
from distill3d_ros.worlds.furniture.pack import FurniturePack
from distill3d_ros.worlds.furniture.palettes import surface_colors
from distill3d_ros.worlds.layout.builder import Builder
from distill3d_ros.worlds.layout.groups import openings
from distill3d_ros.worlds.layout.lights import training_lights
from distill3d_ros.worlds.layout.room_types import ROOM_TYPES, furnish, room_sides
from distill3d_ros.worlds.layout.second_room import FURTHER_DOORS, SECOND_ROOM_SHARE, SecondRoomPlan
from distill3d_ros.worlds.materials import room_lights, room_surfaces
from distill3d_ros.worlds.room import Room

_LABELLED = (11, 19)
"""How many named things a room is filled up to: low, high (exclusive)."""


def make_room(
    pack: FurniturePack, *, seed: int, room_type: str | None = None, split: Split = "train", varied: bool = False
) -> Room:
    """Furnish a room.

    Args:
        pack: the furniture.
        seed: everything random follows from it.
        room_type: one of ``ROOM_TYPES``; None draws one.
        split: whose models are used.
        varied: as training rooms are. They also use procedural models and variants of library models; most of their
            things fit their type, lights are at lamps and windows, colours are mostly those of real rooms, and some
            have a second room behind an open door.
    """
    if room_type is not None and room_type not in ROOM_TYPES:
        raise ValueError(f"room_type must be one of {ROOM_TYPES} or None. Got {room_type!r}")
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test'. Got {split!r}")
    if varied and split == "test":
        raise ValueError("varied must be False where split is 'test': tests use the original designs")
    rng = np.random.default_rng(seed)
    drawn = str(rng.choice(ROOM_TYPES))
    kind = room_type or drawn
    low, high = room_sides(kind)
    size = np.array([rng.uniform(low, high), rng.uniform(low, high), rng.uniform(2.4, 2.9)])
    builder = Builder(pack=pack, split=split, size=size, rng=rng, varied=varied)
    plan = None
    if varied and rng.uniform() < SECOND_ROOM_SHARE:
        plan = SecondRoomPlan.draw(builder, kind, np.random.default_rng([seed, 2]))
    if plan is None:
        openings(builder)
    else:
        plan.open_wall()
        openings(builder, walls=plan.other_walls(0), door=FURTHER_DOORS)
    furnish(builder, kind, _LABELLED)
    lights, ambient = training_lights(size, builder.objects, rng) if varied else room_lights(size, rng)
    return Room(
        type=kind,
        seed=seed,
        split=split,
        size=size,
        objects=builder.objects if plan is None else builder.objects + plan.furnished(),
        surfaces=room_surfaces(kind, rng, colors=surface_colors(rng) if varied else None),
        lights=lights,
        ambient=ambient,
        second=None if plan is None else plan.second_room(),
    )
