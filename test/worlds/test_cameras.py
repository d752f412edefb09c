"""Cameras, and the drive of a simulated robot."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.simple_rooms import box_model, look_at, place, simple_room

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.worlds.cameras import CameraRange, is_good_view, pose_along, sample_cameras
from distill3d_ros.worlds.drive import CELL, Drive, DriveConfig, clearance
from distill3d_ros.worlds.rendering.factory import make_renderer

LENS = Intrinsics.from_fov(width=64, height=48, horizontal_fov=1.2)


@pytest.fixture(scope="module")
def room():
    return simple_room()


@pytest.fixture(scope="module")
def renderer(room):
    one = make_renderer(threads=0)
    one.set_room(room)
    yield one
    one.close()


@pytest.fixture(scope="module")
def cameras(room, renderer):
    return sample_cameras(room, np.random.default_rng(5), 40, renderer=renderer, size=(112, 84))


def angles(camera):
    """Pitch (up positive) and roll in degrees."""
    pose = camera.world_from_optical
    pitch = math.degrees(math.asin(pose[2, 2]))
    roll = math.degrees(math.asin(np.clip(pose[2, 0] / math.cos(math.radians(pitch)), -1, 1)))
    return pitch, roll


def test_a_level_camera_has_its_axes_as_rep_103_says():
    camera = pose_along(LENS, eye=np.array([1.0, 2.0, 0.8]), yaw=0.0, pitch=0.0)
    assert np.allclose(camera.world_from_optical[:3, 2], [1, 0, 0])  # z: forward
    assert np.allclose(camera.world_from_optical[:3, 0], [0, -1, 0])  # x: right
    assert np.allclose(camera.world_from_optical[:3, 1], [0, 0, -1])  # y: down
    assert np.allclose(camera.up, [0, -1, 0])


def test_look_at_puts_the_target_in_the_middle_and_keeps_the_pose_rigid():
    camera = look_at(LENS, eye=np.array([1.0, 2.0, 1.4]), target=np.array([3.0, 1.0, 0.2]), roll=0.2)
    rotation = camera.world_from_optical[:3, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    seen = (np.array([3.0, 1.0, 0.2]) - camera.position) @ rotation
    assert np.allclose(seen[:2], 0.0)
    assert seen[2] == pytest.approx(math.sqrt(4 + 1 + 1.44))


def test_sampled_cameras_keep_to_the_ranges(cameras, room):
    ranges = CameraRange()
    assert len(cameras) >= 35
    fovs = [math.degrees(c.intrinsics.horizontal_fov) for c in cameras]
    assert min(fovs) > ranges.horizontal_fov[0] - 1
    assert max(fovs) < ranges.horizontal_fov[1] + 1
    assert np.std(fovs) > 10
    for camera in cameras:
        pitch, roll = angles(camera)
        assert ranges.height[0] <= camera.position[2] <= ranges.height[1]
        assert -60.1 <= pitch <= ranges.pitch[1] + 0.1
        assert abs(roll) <= ranges.roll + 0.1
        assert (camera.intrinsics.width, camera.intrinsics.height) == (112, 84)
        for placed in room.objects:
            own = (camera.position - placed.box.center) @ placed.rotation
            assert (np.abs(own) > placed.box.size / 2 + ranges.clearance - 1e-9).any(), "the camera is inside furniture"


def test_sampled_views_show_enough(cameras, room, renderer):
    """At full size, where the check itself looks at a small picture: hence the wider limits."""
    for camera in cameras:
        depth, ids = renderer.measure(camera)
        share = np.bincount(ids.reshape(-1), minlength=10) / ids.size
        assert (share[1:] > 0.003).sum() >= 3
        assert share[1:].max() < 0.58
        assert 0.45 < np.median(depth) < 5.2


def test_the_same_seed_gives_the_same_cameras(room, renderer):
    first, second, other = (
        sample_cameras(room, np.random.default_rng(seed), 4, renderer=renderer) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a.world_from_optical, b.world_from_optical) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0].world_from_optical, other[0].world_from_optical)


def test_bad_views_are_rejected(room, renderer):
    good = look_at(LENS, eye=np.array([0.4, 3.4, 1.3]), target=np.array([2.8, 2.4, 0.6]))
    assert is_good_view(good, room, renderer)
    wall = look_at(LENS, eye=np.array([0.4, 3.4, 1.3]), target=np.array([0.0, 3.6, 1.4]))
    assert not is_good_view(wall, room, renderer)
    one_object = look_at(LENS, eye=np.array([1.2, 2.0, 0.6]), target=np.array([1.2, 1.2, 0.5]))
    assert not is_good_view(one_object, room, renderer)


def test_an_empty_room_gives_no_cameras_and_another_room_an_error(renderer, room):
    with pytest.raises(ValueError, match="set_room"):
        sample_cameras(simple_room(), np.random.default_rng(0), 1, renderer=renderer)
    bare = replace(room, objects=[place(1, box_model("one", "box", (0.3, 0.3, 0.3), (9, 9, 9)), (1.0, 1.0, 0.0))])
    renderer.set_room(bare)
    assert sample_cameras(bare, np.random.default_rng(0), 2, renderer=renderer, attempts=5) == []
    renderer.set_room(room)


@pytest.mark.parametrize(
    ("name", "value"), [("horizontal_fov", (90.0, 30.0)), ("height", (0.0, 1.0)), ("tabletop", 1.5)]
)
def test_a_wrong_range_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        CameraRange(**{name: value})


# -- the drive -----------------------------------------------------------------------------------------------------


def test_the_drive_keeps_clear_of_the_furniture(room):
    drive = Drive(room, seed=3)
    free = clearance(room, height=1.0)
    places = np.array([drive.position(t) for t in np.arange(0.0, drive.duration, 0.05)])
    cells = (places / CELL).astype(int)
    assert free[cells[:, 0], cells[:, 1]].min() >= drive.config.robot_radius
    assert np.ptp(places, axis=0).max() > 1.0, "it hardly moves"


def test_the_drive_is_smooth_closed_and_repeatable(room):
    drive, again, other = Drive(room, seed=3), Drive(room, seed=3), Drive(room, seed=4)
    step = 0.1
    times = np.arange(0.0, 2 * drive.duration, step)
    places = np.array([drive.position(t) for t in times])
    speed = np.linalg.norm(np.diff(places, axis=0), axis=1) / step
    assert speed.max() < 1.3 * drive.config.speed
    assert np.median(speed) == pytest.approx(drive.config.speed, rel=0.1)
    yaw = np.unwrap([drive.gaze(t) for t in times])
    assert np.degrees(np.abs(np.diff(yaw))).max() / step < drive.config.turn_rate + 5
    assert np.allclose(drive.position(1.0), drive.position(1.0 + drive.duration))
    pose = drive.camera(7.0)
    assert np.array_equal(pose.world_from_optical, again.camera(7.0).world_from_optical)
    assert not np.array_equal(pose.world_from_optical, other.camera(7.0).world_from_optical)
    assert pose.position[2] == drive.config.camera_height
    assert angles(pose)[0] == pytest.approx(drive.config.camera_pitch)
    assert (pose.intrinsics.width, pose.intrinsics.height) == (640, 480)


def test_a_room_without_floor_and_wrong_settings_are_explained(room):
    full = replace(room, objects=[place(1, box_model("big", "box", (5.0, 4.0, 1.0), (9, 9, 9)), (2.5, 2.0, 0.0))])
    with pytest.raises(ValueError, match="robot_radius"):
        Drive(full)
    with pytest.raises(ValueError, match=r"speed must be positive. Got 0"):
        DriveConfig(speed=0.0)
    with pytest.raises(ValueError, match="waypoints"):
        DriveConfig(waypoints=2)
