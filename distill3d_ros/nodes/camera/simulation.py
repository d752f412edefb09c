"""A simulated robot's drive as a source of frames; the worlds' renderer does the work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from distill3d_ros.nodes.camera.sources import Shot
from distill3d_ros.scene.annotation import SIMULATED_ROOM
from distill3d_ros.worlds.contacts import contact_truth
from distill3d_ros.worlds.drive import Drive, DriveConfig
from distill3d_ros.worlds.furniture.pack import FurniturePack
from distill3d_ros.worlds.layout.layout import make_room
from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.render_view import render_frame


def drive_shots(
    *,
    seed: int,
    room_type: str,
    split: Literal["train", "test"],
    frames: int,
    width: int,
    height: int,
    horizontal_fov: float,
    say: Callable[[str], None] = lambda text: None,
    warn: Callable[[str], None] | None = None,
) -> Iterator[Shot]:
    """One round of a drive through a room, in ``frames`` frames at equal intervals, with the truth about each.

    Args:
        room_type: empty for any.
        split: ``train`` or ``test``: furniture that training saw or did not.
        horizontal_fov: radians.
        say: is told what is being prepared.
        warn: is told when there is no OpenGL, see ``make_renderer``.
    """
    say("loading the furniture")
    pack = FurniturePack.load()
    room = make_room(pack, seed=seed, room_type=room_type or None, split=split)
    truth = contact_truth(room)
    config = DriveConfig(width=width, height=height, horizontal_fov=math.degrees(horizontal_fov))
    drive = Drive(room, config=config, seed=seed)
    say(f"driving {drive.length:.1f} m through the {room.type.replace('_', ' ')}, among {len(room.objects)} things")
    renderer = make_renderer(warn=warn)
    for i in range(frames):
        frame, scene = render_frame(renderer, room, truth, drive.camera(drive.duration * i / frames))
        yield Shot(frame=frame, truth=replace(scene, annotation=SIMULATED_ROOM))
