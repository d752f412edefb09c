"""Queries to a memory, and properties of its matching and fusion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.memory_drives import Drive, Noise, camera_pose

from distill3d_ros.memory.map_memory import MapMemory
from distill3d_ros.memory.observation import box_covariance, label_affinity, point_covariance
from distill3d_ros.memory.queries import changes_since, how_many, in_area, last_seen, where_is
from distill3d_ros.memory.settings import MemorySettings
from distill3d_ros.memory.thing import aligned, wrapped

LOOKING = camera_pose(1.0, 2.5, 0.0)
HOUR_NS = 3600 * 10**9


def memory_of_a_room() -> tuple[Drive, MapMemory]:
    drive, memory = Drive(rng=np.random.default_rng(0), noise=Noise()), MapMemory("home")
    for label, place in (("bag", (3.0, 1.6)), ("chair", (3.0, 2.5)), ("chair", (3.0, 3.4))):
        drive.add(label, place)
    for _ in range(6):
        drive.show(memory, LOOKING)
    return drive, memory


def test_what_is_seen_now_and_what_is_remembered() -> None:
    drive, memory = memory_of_a_room()
    assert memory.newest_ns is not None
    now = memory.newest_ns
    (bag,) = where_is(memory, "bag", now_ns=now)
    assert bag.seen_now
    assert bag.age_s == 0
    np.testing.assert_allclose(bag.place, drive.things[1].center, atol=1e-6)
    (later,) = where_is(memory, "bag", now_ns=now + 24 * HOUR_NS)
    assert not later.seen_now
    assert later.age_s == 86400
    assert later.confidence == pytest.approx(bag.confidence / 2), "a bag's half-life is a day"
    assert np.trace(later.covariance) > np.trace(bag.covariance)
    assert how_many(memory, "chair", now_ns=now)[0] == 2
    assert where_is(memory, "sofa", now_ns=now) == []
    assert last_seen(memory, "sofa", now_ns=now) is None


def test_where_something_that_is_gone_was_last_seen_and_what_has_changed() -> None:
    drive, memory = memory_of_a_room()
    assert memory.newest_ns is not None
    before = memory.newest_ns
    bag = drive.take(1)
    for _ in range(10):
        drive.show(memory, LOOKING)
    assert where_is(memory, "bag", now_ns=memory.newest_ns) == []
    found = last_seen(memory, "bag", now_ns=memory.newest_ns)
    assert found is not None
    assert (found.state, found.seen_now, found.last_seen_ns, found.age_s) == ("gone", False, before, 5.0)
    np.testing.assert_allclose(found.place, bag.center, atol=1e-6)
    assert [(e.kind, e.label) for e in changes_since(memory, before)] == [("gone", "bag")]
    assert changes_since(memory, memory.newest_ns) == []


def test_things_in_an_area() -> None:
    _, memory = memory_of_a_room()
    around = [(2.5, 2.0), (3.5, 2.0), (3.5, 4.0), (2.5, 4.0)]
    assert [r.label for r in in_area(memory, around, now_ns=memory.newest_ns or 0)] == ["chair", "chair"]
    with pytest.raises(ValueError, match="polygon"):
        in_area(memory, [(0, 0), (1, 1)], now_ns=0)


numbers = st.floats(-5, 5)


@given(st.tuples(numbers, numbers, numbers), st.floats(0.01, 0.3), st.floats(0.001, 0.1))
@settings(max_examples=50, deadline=None)
def test_covariances_are_positive_and_grow_along_the_ray(
    ray: tuple[float, float, float], position: float, turn: float
) -> None:
    vector = np.array(ray)
    box = box_covariance(vector, None, MemorySettings())
    pose = point_covariance(vector, np.diag([position**2] * 3 + [turn**2] * 3))
    assert np.linalg.eigvalsh(box).min() > 0
    assert np.linalg.eigvalsh(pose).min() >= position**2 * 0.999
    distance = float(np.linalg.norm(vector))
    if distance > 0.1:
        along = vector / distance
        assert math.sqrt(along @ box @ along) == pytest.approx(0.04 + 0.06 * distance)
        # A rotation moves nothing along its own ray.
        assert along @ pose @ along == pytest.approx(position**2)


def test_the_pose_covariance_is_that_of_sampled_poses() -> None:
    rng = np.random.default_rng(0)
    ray, sigma = np.array([3.0, 1.0, -0.5]), np.array([0.05, 0.02, 0.01, 0.01, 0.03, 0.05])
    shifts, turns = rng.normal(size=(20000, 3)) * sigma[:3], rng.normal(size=(20000, 3)) * sigma[3:]
    sampled = np.cov((shifts + np.cross(turns, ray)).T)
    np.testing.assert_allclose(point_covariance(ray, np.diag(sigma**2)), sampled, atol=6e-4)


@given(st.floats(-10, 10), st.floats(-3, 3))
@settings(max_examples=50, deadline=None)
def test_a_box_without_front_is_aligned_to_the_nearest_quarter(yaw: float, reference: float) -> None:
    size = np.array([1.0, 2.0, 3.0])
    turned, same = aligned(yaw, size, reference, keep_front=False)
    assert abs(wrapped(turned - reference)) <= math.pi / 4 + 1e-9
    quarters = wrapped(turned - yaw) / (math.pi / 2)
    assert quarters == pytest.approx(round(quarters), abs=1e-6)
    assert same.tolist() == ([3.0, 2.0, 1.0] if round(quarters) % 2 else [1.0, 2.0, 3.0])


@given(st.floats(0, 0.95), st.floats(0, 0.95))
@settings(max_examples=50, deadline=None)
def test_label_affinity_is_a_probability_and_symmetric(p: float, q: float) -> None:
    a, b = {"chair": p}, {"chair": q, "stool": 0.95 - q}
    assert 0 <= label_affinity(a, b) <= 1
    assert label_affinity(a, b) == pytest.approx(label_affinity(b, a))
    assert label_affinity({"chair": 0.95}, {"chair": 0.95}) > 10 * label_affinity({"chair": 0.95}, {"bed": 0.95})
