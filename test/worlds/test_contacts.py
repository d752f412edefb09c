"""Contacts, gaps and supports against distances that are known or found by brute force."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from support.simple_rooms import ball_model, box_model, model_from_mesh, place, simple_room

from distill3d_ros.worlds.contacts import CONTACT_DISTANCE, GAP_REACH, bounds_gaps, contact_truth

BALL = ball_model("ball", "vase", 0.1, (1, 2, 3))
CUBE = box_model("cube", "box", (0.4, 0.4, 0.4), (1, 2, 3))


def truth_of(*objects):
    return contact_truth(replace(simple_room(), objects=list(objects)))


def test_the_simple_room():
    truth = contact_truth(simple_room())
    assert truth.contacts == {(1, 2), (1, 3), (4, 5)}
    assert truth.supports == {2: 1, 3: 1}
    assert truth.gaps[1, 2] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("gap", [0.0, 0.004, 0.012, 0.3])
def test_boxes_side_by_side(gap):
    truth = truth_of(place(1, CUBE, (1.0, 1.0, 0.0)), place(2, CUBE, (1.4 + gap, 1.1, 0.0)))
    assert truth.gaps[1, 2] == pytest.approx(gap, abs=1e-6)
    assert ((1, 2) in truth.contacts) == (gap <= CONTACT_DISTANCE)


def test_a_turned_box_is_measured_from_its_corner():
    truth = truth_of(place(1, CUBE, (1.0, 1.0, 0.0)), place(2, CUBE, (2.0, 1.0, 0.0), yaw=math.pi / 4))
    assert truth.gaps[1, 2] == pytest.approx(0.8 - 0.2 * math.sqrt(2), abs=1e-6)


def test_scales_of_one_model_do_not_mix():
    small = place(1, CUBE, (1.0, 1.0, 0.0), scale=(0.5, 0.5, 0.5))
    large = place(2, CUBE, (2.0, 1.0, 0.0), scale=(2.0, 1.0, 1.0))
    assert truth_of(small, large).gaps[1, 2] == pytest.approx(1.0 - 0.1 - 0.4, abs=1e-6)
    assert truth_of(small, place(2, CUBE, (2.0, 1.0, 0.0))).gaps[1, 2] == pytest.approx(1.0 - 0.1 - 0.2, abs=1e-6)


def test_meshes_count_and_not_boxes():
    """A ball under the seat of a stool: inside the stool's box, and yet it touches nothing."""
    legs = [
        trimesh.creation.box((0.04, 0.04, 0.4)).apply_translation((x, y, 0.2)) for x in (-0.2, 0.2) for y in (-0.2, 0.2)
    ]
    seat = trimesh.creation.box((0.44, 0.44, 0.04)).apply_translation((0, 0, 0.42))
    stool = model_from_mesh(trimesh.util.concatenate([*legs, seat]), "stool", "stool", (1, 2, 3))
    truth = truth_of(place(1, stool, (1.0, 1.0, 0.0)), place(2, BALL, (1.0, 1.0, 0.05)))
    assert not truth.contacts
    assert truth.gaps[1, 2] == pytest.approx(0.15, abs=2e-3)  # 0.40 - (0.05 + 0.20)


def test_a_support_that_does_not_touch_is_no_support():
    table = place(1, CUBE, (1.0, 1.0, 0.0))
    assert truth_of(table, place(2, BALL, (1.0, 1.0, 0.402), support=1)).supports == {2: 1}
    assert truth_of(table, place(2, BALL, (1.0, 1.0, 0.43), support=1)).supports == {}


def test_against_brute_force():
    """Distances of dense surface samples come close from above, never below."""
    rng = np.random.default_rng(1)
    ring = model_from_mesh(
        trimesh.creation.torus(0.3, 0.08, major_sections=40, minor_sections=20), "ring", "bowl", (1, 2, 3)
    )
    objects = [
        place(
            i + 1,
            (ring, CUBE, BALL)[i % 3],
            tuple(rng.uniform((0, 0, 0), (2.5, 2.5, 0.6))),
            yaw=rng.uniform(0, 6.3),
            scale=tuple(rng.uniform(0.6, 1.6, 3)),
        )
        for i in range(7)
    ]
    truth = truth_of(*objects)
    samples = []
    for placed in objects:
        vertices, faces = placed.mesh()
        samples.append(
            np.concatenate([trimesh.sample.sample_surface(trimesh.Trimesh(vertices, faces), 4000, seed=0)[0], vertices])
        )
    checked = 0
    for (a, b), gap in truth.gaps.items():
        brute = trimesh.proximity.cKDTree(samples[a - 1]).query(samples[b - 1])[0].min() if gap > 0 else 0.0
        assert brute - 0.03 < gap <= brute + 1e-6
        checked += gap > 0.02
    assert checked >= 5


def test_pairs_out_of_reach_and_clutter_are_left_out():
    far = place(2, CUBE, (1.4 + GAP_REACH + 0.1, 1.0, 0.0))
    nameless = place(3, box_model("nameless", "", (0.4, 0.4, 0.4), (1, 2, 3)), (1.4, 1.0, 0.0))
    truth = truth_of(place(1, CUBE, (1.0, 1.0, 0.0)), far, nameless)
    assert truth.gaps == {}
    assert truth.contacts == frozenset()


def test_bounds_never_exceed_the_gap():
    room = simple_room()
    truth, bounds = contact_truth(room), bounds_gaps(room.objects)
    for (a, b), gap in truth.gaps.items():
        assert bounds[a - 1, b - 1] <= gap + 1e-9


def test_a_room_without_named_things():
    assert truth_of().gaps == {}
