"""What one frame after the other makes of a memory: new, moved, gone, duplicates, ids, frames not believed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.memory_drives import Drive, Noise, about_z, camera_pose

from distill3d_ros.memory.map_memory import MapMemory
from distill3d_ros.memory.observation import Observation
from distill3d_ros.memory.settings import MemorySettings

LOOKING = camera_pose(1.0, 2.5, 0.0)
CHAIR = (3.0, 2.5)


def drive_with_a_chair() -> Drive:
    drive = Drive(rng=np.random.default_rng(0), noise=Noise())
    drive.add("chair", CHAIR)
    return drive


def show(drive: Drive, memory: MapMemory, frames: int) -> None:
    for _ in range(frames):
        drive.show(memory, LOOKING)


def kinds(memory: MapMemory) -> list[str]:
    return [e.kind for e in memory.events]


def test_a_thing_is_new_after_three_sightings_and_lies_where_it_stands() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    show(drive, memory, 2)
    assert memory.remembered() == []
    assert len(memory.remembered(tentative=True)) == 1
    show(drive, memory, 3)
    (thing,) = memory.remembered()
    true = drive.things[1]
    assert kinds(memory) == ["new"]
    np.testing.assert_allclose(thing.center, true.center, atol=1e-6)
    np.testing.assert_allclose(sorted(thing.size), sorted(true.size), atol=1e-6)
    assert np.linalg.eigvalsh(thing.covariance).min() >= memory.settings.smallest_sigma_m**2 - 1e-12


def test_what_is_taken_is_gone_when_its_place_is_seen_through_and_comes_back() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    show(drive, memory, 6)
    chair = drive.take(1)
    show(drive, memory, 3)
    assert kinds(memory) == ["new"], "hysteresis: three frames do not outweigh six"
    show(drive, memory, 6)
    assert kinds(memory) == ["new", "gone"]
    assert memory.remembered() == []
    drive.things[1] = chair
    show(drive, memory, 6)
    assert kinds(memory) == ["new", "gone", "back"]
    assert [t.id for t in memory.remembered()] == [1]


def test_out_of_view_and_occluded_say_nothing() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    show(drive, memory, 6)
    drive.take(1)
    for _ in range(20):
        drive.show(memory, camera_pose(1.0, 2.5, math.pi))
    drive.add("fridge", (2.0, 2.5))
    for _ in range(20):
        drive.show(memory, LOOKING)
    assert "gone" not in kinds(memory)
    assert sorted(t.label for t in memory.remembered()) == ["chair", "fridge"]


def test_without_depth_nothing_is_taken_for_gone() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    show(drive, memory, 6)
    drive.take(1)
    for _ in range(20):
        observation, _ = drive.frame(LOOKING)
        memory.observe(replace(observation, scene=replace(observation.scene, depth=None)))
    assert kinds(memory) == ["new"]


def test_what_moved_keeps_its_id() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    show(drive, memory, 6)
    drive.move(1, (3.4, 3.6))
    show(drive, memory, 15)
    (thing,) = memory.remembered()
    assert thing.id == 1
    assert "moved" in kinds(memory)
    (moved,) = [e for e in memory.events if e.kind == "moved"]
    assert moved.earlier_place is not None
    np.testing.assert_allclose(moved.earlier_place[:2], CHAIR, atol=0.05)
    np.testing.assert_allclose(thing.center[:2], (3.4, 3.6), atol=0.05)


def test_two_like_things_beside_each_other_stay_two() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    drive.add("chair", (3.0, 3.3))
    show(drive, memory, 10)
    assert len(memory.remembered()) == 2
    assert kinds(memory) == ["new", "new"]


def test_two_boxes_of_one_thing_are_one() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    for _ in range(6):
        observation, _ = drive.frame(LOOKING)
        (o,) = observation.scene.objects
        twice = (o, replace(o, id=2, score=0.6, box=replace(o.box, center=o.box.center + np.array([0.1, 0, 0.1]))))
        memory.observe(replace(observation, scene=replace(observation.scene, objects=twice)))
    assert len(memory.things) == 1


def disbelief(memory: MapMemory, observation: Observation) -> str:
    before = len(memory.things)
    update = memory.observe(observation)
    assert not update.disbelief or (len(memory.things) == before and not update.matched)
    return update.disbelief


def test_frames_that_are_not_believed_say_why_and_change_nothing() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    observation, _ = drive.frame(LOOKING)
    assert disbelief(memory, replace(observation, world_from_camera=None)) == "not_localised"
    assert disbelief(memory, replace(observation, scene=replace(observation.scene, is_metric=False))) == "no_scale"
    unsure = np.diag([1.0] * 3 + [0.001] * 3)
    assert disbelief(memory, replace(observation, pose_covariance=unsure)) == "pose_too_unsure"
    assert disbelief(memory, observation) == ""
    assert disbelief(memory, observation) == "older_than_memory"


def test_after_a_jump_of_tf_frames_are_not_believed_for_a_second() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    show(drive, memory, 4)
    jumped = LOOKING.copy()
    jumped[:3, 3] += [0.0, 2.0, 0.0]
    found = []
    for _ in range(4):
        observation, _ = drive.frame(LOOKING)
        found.append(disbelief(memory, replace(observation, world_from_camera=jumped)))
    assert found == ["tf_jumped", "settling_after_jump", "", ""]


def test_a_turn_faster_than_a_robot_turns_is_a_jump() -> None:
    drive, memory = drive_with_a_chair(), MapMemory("home")
    show(drive, memory, 2)
    drive.step_s = 0.1
    drive.frame(LOOKING)
    observation, _ = drive.frame(LOOKING)
    turned = LOOKING.copy()
    turned[:3, :3] = about_z(3.0) @ turned[:3, :3]
    assert disbelief(memory, replace(observation, world_from_camera=turned)) == "tf_jumped"


def test_a_memory_is_bounded_and_forgets_what_it_is_least_sure_of() -> None:
    drive = Drive(rng=np.random.default_rng(0), noise=Noise())
    memory = MapMemory("home", settings=MemorySettings(most_things=1))
    for place in (CHAIR, (3.0, 3.4), (3.0, 1.6)):
        drive.add("chair", place)
    show(drive, memory, 5)
    assert len(memory.things) == 1


def test_bad_input_is_named() -> None:
    drive = drive_with_a_chair()
    observation, _ = drive.frame(LOOKING)
    with pytest.raises(ValueError, match="map_id"):
        MapMemory("")
    with pytest.raises(ValueError, match=r"world_from_camera.*rigid"):
        replace(observation, world_from_camera=2 * np.eye(4))
    with pytest.raises(ValueError, match="pose_covariance"):
        replace(observation, pose_covariance=-np.eye(6))
    with pytest.raises(ValueError, match=r"seen_gain.*Got -1"):
        MemorySettings(seen_gain=-1.0)
    with pytest.raises(ValueError, match="gone_at"):
        MemorySettings(gone_at=2.0)
