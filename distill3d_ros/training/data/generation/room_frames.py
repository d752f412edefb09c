"""From a room's number to its samples: the same recipe and number always give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from distill3d_ros.training.data.generation.generation_plan import Recipe, ShardJob
from distill3d_ros.training.data.generation.sequence_frames import as_sequence, drive_cameras
from distill3d_ros.training.data.manifest import ShardInfo
from distill3d_ros.training.data.sample import SPLITS, Sample
from distill3d_ros.training.data.shards import ShardWriter
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.cameras import HAND_HELD, LOW, sample_cameras
from distill3d_ros.worlds.contacts import contact_truth
from distill3d_ros.worlds.furniture.furniture_model import Split
from distill3d_ros.worlds.furniture.pack import FurniturePack
from distill3d_ros.worlds.layout.layout import make_room
from distill3d_ros.worlds.photometry import augment
from distill3d_ros.worlds.rendering.distortion import sample_distortion
from distill3d_ros.worlds.rendering.interface import RoomRenderer
from distill3d_ros.worlds.rendering.render_view import render_view
from distill3d_ros.worlds.room import Room

ATTEMPTS = 12
"""Rooms that are tried for one number; more failures than that are no bad luck."""

TEST_MODELS_ONLY = "test_unseen"

HAND_HELD_SHARE = 0.3
"""Of the pictures of a training room are taken from viewpoints that only a hand has."""
LOW_SHARE = 0.2
"""Of the pictures of a training room are taken from just above the floor."""
BENT_SHARE = 0.4
"""Of the pictures of a training room are taken through a lens that bends them. Test rooms keep straight lenses."""


class RoomError(ValueError):
    """No room could be made for a number."""


OnRoom = Callable[[int, str], None]
"""Called after each room with the number of its frames and what went wrong on the way, empty if nothing did."""


def make_shard(
    folder: Path, job: ShardJob, recipe: Recipe, *, pack: FurniturePack, renderer: RoomRenderer, on_room: OnRoom
) -> ShardInfo:
    """Write one shard of ``folder``; nothing is left of it when that fails."""
    with ShardWriter(folder, split=job.split, number=job.number, first_room=job.first_room, rooms=job.rooms) as writer:
        for number in range(job.first_room, job.first_room + job.rooms):
            samples, trouble = room_samples(job.split, number, recipe, pack=pack, renderer=renderer)
            for sample in samples:
                writer.add(sample)
            on_room(len(samples), trouble)
    assert writer.info is not None  # set when the block above ends well
    return writer.info


def room_samples(
    split: str, number: int, recipe: Recipe, *, pack: FurniturePack, renderer: RoomRenderer
) -> tuple[list[Sample], str]:
    """The samples of one room, and a note on the rooms that were given up on the way.

    A room that shows too little, or cannot be made, is replaced by the next one that the seed gives for its number.
    """
    trouble = ""
    for attempt in range(ATTEMPTS):
        try:
            samples = _attempt(split, number, attempt, recipe, pack, renderer)
        except (MemoryError, OSError):  # says nothing about this room
            raise
        except Exception as error:
            trouble = f"{split}-{number:06d}, attempt {attempt}: {type(error).__name__}: {error}"
            continue
        if samples:
            return samples, trouble
    raise RoomError(
        f"room {split}-{number:06d} of seed {recipe.seed} failed {ATTEMPTS} times; "
        + (f"the last error: {trouble}" if trouble else "none had enough worthwhile views")
    )


def _attempt(
    split: str, number: int, attempt: int, recipe: Recipe, pack: FurniturePack, renderer: RoomRenderer
) -> list[Sample]:
    """Samples of one try; none if fewer than half of the wanted cameras have a worthwhile view."""
    place = [recipe.seed, SPLITS.index(split), number, attempt]
    room_seed = int(np.random.SeedSequence(place).generate_state(1)[0])
    rng = np.random.default_rng([*place, 1])
    whose: Split = "test" if split == TEST_MODELS_ONLY else "train"
    room = make_room(pack, seed=room_seed, split=whose, varied=split == "train")
    renderer.set_room(room)
    name = f"{split}-{number:06d}"
    if recipe.sequence is not None:
        cameras = drive_cameras(room, rng, recipe.sequence, size=recipe.size, renderer=renderer)
        if not cameras:
            return []
        samples = pictures(room, cameras, rng, renderer=renderer, key=name, name=name, split=split, one_camera=True)
        return as_sequence(samples, name, interval=recipe.sequence.interval)
    others = {HAND_HELD: HAND_HELD_SHARE, LOW: LOW_SHARE} if split == "train" else {}
    numbers = {ranges: round(share * recipe.frames_per_room) for ranges, share in others.items()}
    usual = recipe.frames_per_room - sum(numbers.values())
    cameras = sample_cameras(room, rng, usual, renderer=renderer, size=recipe.size)
    for ranges, number in numbers.items():
        if number:
            cameras += sample_cameras(room, rng, number, renderer=renderer, size=recipe.size, ranges=ranges)
    if len(cameras) < max(1, recipe.frames_per_room // 2):
        return []
    bent = BENT_SHARE if split == "train" else 0.0
    return pictures(room, cameras, rng, renderer=renderer, key=name, name=name, split=split, bent_share=bent)


def pictures(
    room: Room,
    cameras: Sequence[CameraPose],
    rng: np.random.Generator,
    *,
    renderer: RoomRenderer,
    key: str,
    name: str,
    split: str,
    one_camera: bool = False,
    bent_share: float = 0.0,
) -> list[Sample]:
    """What the cameras see of a room, as real ones would take it.

    Args:
        key: of the samples, without the camera's number.
        name: of the room, unique over all splits.
        one_camera: the same camera took all pictures: colours, blur and compression are drawn once, noise each time.
        bent_share: of the pictures that an imperfect lens takes, see ``worlds.distortion``.
    """
    truth = contact_truth(room)
    look_seed = int(rng.integers(2**32)) if one_camera else 0
    samples = []
    for number, camera in enumerate(cameras):
        lens = None
        if bent_share and rng.random() < bent_share:
            lens = sample_distortion(rng, camera.intrinsics)
        seen = render_view(renderer, room, truth, camera, distortion=lens)
        if one_camera:
            image = augment(seen.frame.image, np.random.default_rng(look_seed), grain=rng)
        else:
            image = augment(seen.frame.image, rng)
        samples.append(
            Sample(
                key=f"{key}-{number:02d}",
                frame=replace(seen.frame, image=image),
                scene=seen.scene,
                ids=seen.ids,
                room=name,
                room_type=room.type,
                split=split,
            )
        )
    return samples
