"""Samples of one simulated room: the same recipe and room number always give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from distill3d_ros.training.data.generation.generation_plan import Recipe, ShardJob
from distill3d_ros.training.data.generation.sequence_frames import as_sequence, drive_cameras
from distill3d_ros.training.data.manifest import ShardInfo
from distill3d_ros.training.data.sample import SIMULATED_SPLITS, Sample
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
"""Rooms that are tried for one number, before the failures count as an error."""

TEST_MODELS_ONLY = "test_unseen"

HAND_HELD_SHARE = 0.3
"""Share of the pictures of a training room from viewpoints of a hand-held camera."""
LOW_SHARE = 0.2
"""Share of the pictures of a training room from just above the floor."""
DISTORTED_SHARE = 0.4
"""Share of the pictures of a training room with lens distortion. Test rooms have none."""


class RoomError(ValueError):
    """No room could be made for a number."""


OnRoom = Callable[[int, str], None]
"""Called after each room with the number of its frames and the last error of its attempts, empty if there was none."""


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
    """The samples of one room, and the last error of attempts that failed, empty if none did.

    A room with too few views, or that cannot be made, is replaced by the next one that the seed gives for its number.
    """
    trouble = ""
    for attempt in range(ATTEMPTS):
        try:
            samples = _attempt(split, number, attempt, recipe, pack, renderer)
        except (MemoryError, OSError):  # not a fault of this room
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
    seeds = [recipe.seed, SIMULATED_SPLITS.index(split), number, attempt]
    room_seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
    rng = np.random.default_rng([*seeds, 1])
    models: Split = "test" if split == TEST_MODELS_ONLY else "train"
    room = make_room(pack, seed=room_seed, split=models, varied=split == "train")
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
    share = DISTORTED_SHARE if split == "train" else 0.0
    return pictures(room, cameras, rng, renderer=renderer, key=name, name=name, split=split, distorted_share=share)


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
    distorted_share: float = 0.0,
) -> list[Sample]:
    """Samples of the cameras' views of a room, with the photometric augmentation of real cameras.

    Args:
        key: of the samples, without the camera's number.
        name: of the room, unique over all splits.
        one_camera: the same camera took all pictures: colours, blur and compression are drawn once, noise each time.
        distorted_share: share of the pictures with lens distortion, see ``worlds.rendering.distortion``.
    """
    truth = contact_truth(room)
    photometry_seed = int(rng.integers(2**32)) if one_camera else 0
    samples = []
    for number, camera in enumerate(cameras):
        lens = None
        if distorted_share and rng.random() < distorted_share:
            lens = sample_distortion(rng, camera.intrinsics)
        view = render_view(renderer, room, truth, camera, distortion=lens)
        if one_camera:
            image = augment(view.frame.image, np.random.default_rng(photometry_seed), grain=rng)
        else:
            image = augment(view.frame.image, rng)
        samples.append(
            Sample(
                key=f"{key}-{number:02d}",
                frame=replace(view.frame, image=image),
                scene=view.scene,
                ids=view.ids,
                room=name,
                room_type=room.type,
                split=split,
            )
        )
    return samples
