"""Frames of a robot's drive through a room: where its camera is, and what makes samples a sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from distill3d_ros.training.data.generation.generation_plan import SequencePlan
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.cameras import CameraRange, is_good_view, sample_lens
from distill3d_ros.worlds.drive import Drive, DriveConfig
from distill3d_ros.worlds.rendering.interface import RoomRenderer
from distill3d_ros.worlds.room import Room

SHORTEST_LOOP = 2.0
"""Metres; a room in which the robot can hardly move is left out."""
LEVEL_BELOW, STEEPEST = 0.6, 18.0
"""Cameras lower than this (metres) look about level, the highest look down by up to ... degrees."""


def drive_cameras(
    room: Room, rng: np.random.Generator, plan: SequencePlan, *, size: tuple[int, int], renderer: RoomRenderer
) -> list[CameraPose]:
    """Consecutive places of one camera on a drive through ``room``, which must be the renderer's room.

    The lens and the camera's height are drawn from ``CameraRange``, as those of single views; the way through the
    room, the start on it and the number of frames are drawn, too.

    Returns:
        None of them where the robot can hardly move or fewer than half of the views are worthwhile.

    Raises:
        ValueError: the room has no floor that is free for a robot.
    """
    ranges = CameraRange()
    lens = sample_lens(rng, ranges, size)
    height = rng.uniform(*ranges.height)
    down = STEEPEST * max(0.0, height - LEVEL_BELOW) / (ranges.height[1] - LEVEL_BELOW)
    config = DriveConfig(
        camera_height=height,
        camera_pitch=rng.uniform(-4.0, 4.0) - rng.uniform(0.0, 1.0) * down,
        horizontal_fov=math.degrees(lens.horizontal_fov),
        width=size[0],
        height=size[1],
    )
    drive = Drive(room, config=config, seed=int(rng.integers(2**31)))
    count = int(rng.integers(plan.frames[0], plan.frames[1] + 1))
    start = rng.uniform(0.0, drive.duration)
    if drive.length < SHORTEST_LOOP:
        return []
    cameras = [replace(drive.camera(start + plan.interval * i), intrinsics=lens) for i in range(count)]
    worthwhile = sum(is_good_view(camera, room, renderer, ranges) for camera in cameras)
    return cameras if 2 * worthwhile >= count else []


def as_sequence(samples: Sequence[Sample], name: str, *, interval: float) -> list[Sample]:
    """The samples of one drive with their place in it; ``interval``: seconds between them."""
    placed = []
    for index, sample in enumerate(samples):
        stamp = round(1e9 * interval * index)
        frame, scene = replace(sample.frame, stamp_ns=stamp), replace(sample.scene, stamp_ns=stamp)
        placed.append(replace(sample, frame=frame, scene=scene, sequence=name, index=index))
    return placed
