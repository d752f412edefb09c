"""Drives through rooms as samples: frames in order, poses that are right, folders that are not mixed up."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.furniture_pack import real_pack

from distill3d_ros.cli import main as cli
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.geometry import invert_pose, project, transform_points, unproject
from distill3d_ros.training.data.generation.generate import generate
from distill3d_ros.training.data.generation.generation_options import GenerateOptions, SequenceOptions
from distill3d_ros.training.data.generation.generation_plan import Recipe, SequencePlan
from distill3d_ros.training.data.generation.room_frames import room_samples
from distill3d_ros.training.data.manifest import MANIFEST_NAME, Manifest, ShardError, read_manifest
from distill3d_ros.training.data.sample import Sample, encode_sample
from distill3d_ros.training.data.shards import ShardReader, verify_folder
from distill3d_ros.worlds.photometry import augment
from distill3d_ros.worlds.rendering.factory import make_renderer

PLAN = SequencePlan(frames=(4, 6), interval=0.5)
ROOMS = {"rooms": {"train": 2}, "seed": 5, "size": (96, 72), "workers": 1}


def make(out: Path, frames: tuple[int, int] = PLAN.frames) -> Manifest:
    """Drives of one shard."""
    options = SequenceOptions(out=out, frames=frames, interval=PLAN.interval, **ROOMS)
    return generate(options, rooms_per_shard=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drives, made by one worker."""
    real_pack()
    folder = tmp_path_factory.mktemp("drives")
    make(folder)
    return folder


def test_frames_come_in_the_order_of_the_drive(made: Path):
    assert verify_folder(made).complete
    reader = ShardReader(made, "train")
    sequences = reader.sequences()
    assert list(sequences) == ["train-000000", "train-000001"]
    assert sum(len(numbers) for numbers in sequences.values()) == len(reader)
    for name, numbers in sequences.items():
        frames = [reader[i] for i in numbers]
        assert 4 <= len(frames) <= 6
        assert [(s.sequence, s.room, s.index) for s in frames] == [(name, name, i) for i in range(len(frames))]
        assert [s.frame.stamp_ns for s in frames] == [i * 500_000_000 for i in range(len(frames))]
        assert len({s.frame.intrinsics for s in frames}) == 1, "one camera takes them all"
        assert sum(bool(s.scene.objects) for s in frames) >= len(frames) / 2
        poses = np.stack([s.frame.world_from_camera for s in frames])
        steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        assert ((steps > 0.05) & (steps <= 0.151)).all(), "half a second at 0.3 m/s"
        turns = np.degrees(np.arccos(np.clip((poses[1:, :3, 2] * poses[:-1, :3, 2]).sum(1), -1, 1)))
        assert (turns < 21).all(), "half a second at 40 degrees a second"
        np.testing.assert_allclose(poses[:, 2, 3], poses[0, 2, 3], atol=2e-6)


def depth_errors(first: Sample, second: Sample, pose: FloatArray) -> FloatArray:
    """Metres between the first frame's surface and the second's, where a camera at ``pose`` would see the first's.

    1 / depth is linear over the image of a plane, so nothing is lost between pixel centres.
    """
    points = unproject(first.scene.depth, first.frame.intrinsics).reshape(-1, 3)
    moved = transform_points(invert_pose(pose) @ first.frame.world_from_camera, points)
    uv, depth = project(moved, second.frame.intrinsics)
    height, width = second.scene.depth.shape
    inside = (depth > 0.1) & (uv >= 0).all(-1) & (uv[:, 0] <= width - 1) & (uv[:, 1] <= height - 1)
    u, v = uv[inside].T.astype(np.float32)
    seen = 1 / cv2.remap(1 / second.scene.depth, u, v, cv2.INTER_LINEAR).reshape(-1)
    same = second.ids[v.round().astype(int), u.round().astype(int)] == first.ids.reshape(-1)[inside]
    return np.abs(seen - depth[inside])[same]


def test_poses_take_one_frame_into_the_next(made: Path):
    reader, unmoved, moved = ShardReader(made, "train"), [], []
    for numbers in reader.sequences().values():
        for first, second in pairwise(reader[i] for i in numbers):
            moved.append(depth_errors(first, second, second.frame.world_from_camera))
            unmoved.append(depth_errors(first, second, first.frame.world_from_camera))
            assert len(moved[-1]) > 0.3 * first.ids.size
            assert np.median(moved[-1]) < 0.002, "depth is kept in millimetres"
    assert np.median(np.concatenate(unmoved)) > 10 * np.median(np.concatenate(moved))


def test_the_same_seed_gives_the_same_drive(made: Path):
    reader, renderer = ShardReader(made, "train"), make_renderer(threads=0)
    recipe = Recipe(seed=5, size=(96, 72), frames_per_room=6, sequence=PLAN)
    samples, _ = room_samples("train", 1, recipe, pack=real_pack(), renderer=renderer)
    renderer.close()
    numbers = reader.sequences()["train-000001"]
    assert len(samples) == len(numbers)
    for sample, number in zip(samples, numbers, strict=True):
        assert encode_sample(sample) == {part: reader.part(number, part) for part in encode_sample(sample)}


def test_folders_are_not_mixed_up(made: Path, tmp_path: Path):
    recipe = read_manifest(made).recipe
    assert (recipe["sequence_frames"], recipe["sequence_interval"]) == ([4, 6], 0.5)
    assert "frames_per_room" not in recipe
    before = (made / MANIFEST_NAME).read_bytes()
    with pytest.raises(ShardError, match=r"--frames was \[4, 6\] and is now \[4, 7\]"):
        make(made, (4, 7))
    with pytest.raises(ShardError, match=r"--frames was \[4, 6\] and is now not given; --interval was 0\.5 and"):
        generate(GenerateOptions(out=made, **ROOMS), rooms_per_shard=2)
    assert make(made).complete, "nothing is missing"
    assert (made / MANIFEST_NAME).read_bytes() == before
    other = tmp_path / MANIFEST_NAME
    other.write_bytes(before.replace(b'"sequence_frames"', b'"another_entry"'))
    reader = ShardReader(tmp_path, "val")
    with pytest.raises(ShardError, match="holds single views; `distill3d data sequences` makes sequences"):
        reader.sequences()


def test_one_camera_has_one_look_and_fresh_noise():
    picture = np.full((48, 64, 3), 120, np.uint8)
    grain = np.random.default_rng(9)
    looks = [augment(picture, np.random.default_rng(seed), grain=grain).astype(float) for seed in (1, 1, 2)]
    assert (looks[0] != looks[1]).any()
    assert np.abs(looks[0].mean((0, 1)) - looks[1].mean((0, 1))).max() < 2
    assert np.abs(looks[0].mean((0, 1)) - looks[2].mean((0, 1))).max() > 4
    plain, same = (augment(picture, rng, grain=rng) for rng in (np.random.default_rng(1), np.random.default_rng(1)))
    assert (plain == same).all()
    assert (plain == augment(picture, np.random.default_rng(1))).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": (1, 6)}, r"frames of a sequence must be \(fewest, most\) within 2 to 100\. Got \(1, 6\)"),
        ({"frames": (7, 6)}, r"Got \(7, 6\)"),
        ({"interval": 0.0}, r"interval must lie between 0\.02 and 10 seconds\. Got 0\.0"),
    ],
)
def test_wrong_plans_are_named(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        SequencePlan(**settings)


def test_the_command_reads_its_options():
    command = "data sequences --rooms train=2 --seed 3 --out x --frames"
    _, options = cli.parse([*command.split(), "20..30", "--interval", "0.2"])
    assert (options.frames, options.interval) == ((20, 30), 0.2)
    assert cli.parse([*command.split(), "25"])[1].frames == (25, 25)
