"""Meanings of relations: clear cases, margin bands, and the laws that hold whatever the thresholds are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scene_samples import FLOOR, box, mirrored, random_scene, scene_of, thing, turned

from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.relations import Relations, decided, gap
from distill3d_ros.questions.rules import holds
from distill3d_ros.questions.thresholds import THRESHOLDS
from distill3d_ros.scene.objects import Box3D, Scene

RELATIONS = tuple(name for name, kind in KINDS.items() if kind.form == "yes_no" and kind.slots == 2)
scenes = st.integers(0, 10_000).map(lambda seed: random_scene(np.random.default_rng(seed), 6))
box_scenes = st.integers(0, 10_000).map(lambda seed: random_scene(np.random.default_rng(seed), 6, meshes=False))


def two(a: Box3D, b: Box3D) -> Scene:
    return scene_of(thing(1, "chair", a), thing(2, "table", b))


def standing(x: float, z: float, size: tuple[float, float, float], yaw: float = 0.0, lift: float = 0.0) -> Box3D:
    return box(x, FLOOR - lift - size[1] / 2, z, size, yaw)


@pytest.mark.parametrize(
    ("relation", "a", "b"),
    [
        ("near", standing(0, 3, (0.5, 1, 0.5)), standing(0.8, 3, (0.5, 1, 0.5))),
        ("far", standing(-2, 3, (0.5, 1, 0.5)), standing(2, 3, (0.5, 1, 0.5))),
        ("left_of", standing(-1, 3, (0.5, 1, 0.5)), standing(1, 3, (0.5, 1, 0.5))),
        ("right_of", standing(1, 3, (0.5, 1, 0.5)), standing(-1, 3, (0.5, 1, 0.5))),
        ("in_front_of", standing(0, 2, (0.5, 1, 0.5)), standing(0, 4, (0.5, 1, 0.5))),
        ("behind", standing(0, 4, (0.5, 1, 0.5)), standing(0, 2, (0.5, 1, 0.5))),
        ("above", standing(1, 3, (0.5, 0.5, 0.5), lift=1.8), standing(0, 3, (0.5, 1, 0.5))),
        ("below", standing(0, 3, (0.5, 1, 0.5)), standing(1, 3, (0.5, 0.5, 0.5), lift=1.8)),
        ("on", standing(0, 3, (0.2, 0.2, 0.2), lift=0.7), standing(0, 3, (1, 0.7, 1))),
        ("under", standing(0, 3, (0.3, 0.3, 0.3)), standing(0, 3, (1, 0.7, 1))),
        ("under", standing(0, 3, (1, 0.7, 1)), standing(0, 3, (0.2, 0.2, 0.2), lift=0.7)),
        ("touching", standing(0, 3, (0.5, 1, 0.5)), standing(0.5, 3, (0.5, 1, 0.5))),
        ("against", standing(0, 3, (0.5, 1, 0.5)), standing(0.5, 3, (0.5, 1, 0.5))),
        ("larger", standing(0, 3, (1, 1, 1)), standing(2, 3, (0.5, 1, 0.5))),
        ("taller", standing(0, 3, (0.5, 1.5, 0.5)), standing(2, 3, (2, 1, 2))),
        ("wider", standing(0, 3, (0.5, 1, 1.5)), standing(2, 3, (1, 2, 1))),
    ],
)  # fmt: skip
def test_clear_cases_hold_and_their_reverse_does_not(relation: str, a: Box3D, b: Box3D) -> None:
    assert holds(two(a, b), relation, 1, 2) is True
    if relation not in ("near", "far", "touching", "against"):
        assert holds(two(a, b), relation, 2, 1) is False


@pytest.mark.parametrize(
    ("relation", "a", "b"),
    [
        ("near", standing(0, 3, (0.5, 1, 0.5)), standing(1.3, 3, (0.5, 1, 0.5))),  # 0.8 m apart
        ("left_of", standing(0, 3, (0.5, 1, 0.5)), standing(0.1, 3, (0.5, 1, 0.5))),
        ("in_front_of", standing(0, 3, (0.5, 1, 0.5)), standing(0.5, 3.1, (0.5, 1, 0.5))),
        ("touching", standing(0, 3, (0.5, 1, 0.5)), standing(0.55, 3, (0.5, 1, 0.5))),
        ("larger", standing(0, 3, (1, 1, 1)), standing(2, 3, (1, 1, 1.2))),
        ("taller", standing(0, 3, (1, 1, 1)), standing(2, 3, (1, 1.1, 1))),
        ("wider", standing(0, 3, (1, 1, 1)), standing(2, 3, (1, 1, 1.1))),
        ("left_of", standing(0.4, 3, (0.2, 0.2, 0.2), lift=0.7), standing(0, 3, (1.5, 0.7, 1))),  # stands on it
    ],
)  # fmt: skip
def test_margin_band_is_undecided(relation: str, a: Box3D, b: Box3D) -> None:
    assert holds(two(a, b), relation, 1, 2) is None


def test_a_high_shelf_does_not_carry_what_stands_on_the_floor_before_it() -> None:
    shelf, chair = standing(0, 3, (1, 2, 0.5)), standing(0, 2.5, (0.5, 1, 0.5))
    assert holds(two(chair, shelf), "on", 1, 2) is False


def test_what_stands_on_a_board_inside_a_shelf_is_on_it() -> None:
    shelf, cup = standing(0, 3, (1, 2, 0.5)), standing(0.1, 3, (0.1, 0.1, 0.1), lift=1.2)
    assert holds(two(cup, shelf), "on", 1, 2) is True
    assert holds(two(cup, shelf), "under", 1, 2) is False


def test_a_ceiling_lamp_is_above_the_table_but_not_on_it() -> None:
    lamp, table = standing(0, 3, (0.4, 0.3, 0.4), lift=1.9), standing(0, 3, (1, 0.7, 1))
    assert holds(two(lamp, table), "above", 1, 2) is True
    assert holds(two(lamp, table), "on", 1, 2) is False
    assert holds(two(lamp, table), "under", 2, 1) is True


def test_meshes_overrule_boxes() -> None:
    scene = two(standing(0, 3, (0.5, 1, 0.5)), standing(0.52, 3, (0.5, 1, 0.5)))
    assert holds(scene, "touching", 1, 2) is True  # 2 cm: boxes cannot tell
    assert holds(replace(scene, contacts=frozenset(), gaps={(1, 2): 0.3}, supports={}), "touching", 1, 2) is False
    carried = replace(scene, contacts=frozenset({(1, 2)}), gaps={(1, 2): 0.0}, supports={1: 2})
    assert holds(carried, "on", 1, 2) is True
    assert holds(carried, "against", 1, 2) is False
    assert gap(replace(scene, gaps={(1, 2): 0.3}), 2, 1) == 0.3
    assert gap(scene, 1, 2) == pytest.approx(0.02)


def test_support_through_a_third_thing_is_never_asked() -> None:
    cup, book, table = (thing(i, label, box(0, -i, 3)) for i, label in enumerate(("cup", "box", "table"), 1))
    scene = replace(scene_of(cup, book, table), supports={1: 2, 2: 3}, contacts=frozenset({(1, 2), (2, 3)}))
    assert holds(scene, "on", 1, 2) is True
    assert holds(scene, "on", 1, 3) is None


@given(scenes)
def test_relations_that_exclude_each_other(scene: Scene) -> None:
    r = Relations(scene)
    for name in ("left_of", "in_front_of", "larger", "taller", "wider", "nearer"):
        matrix = getattr(r, name)
        np.testing.assert_allclose(matrix, -matrix.T, atol=1e-9)  # so a yes one way is a no the other way
    for name in ("above", "on"):
        matrix = getattr(r, name)
        assert not ((matrix >= 1) & (matrix.T >= 1)).any()
    for name in ("near", "touching", "against"):
        np.testing.assert_allclose(getattr(r, name), getattr(r, name).T, atol=1e-9)
    others = ~np.eye(len(scene.objects), dtype=bool)
    assert not ((r.near < 0) & (r.touching >= 1) & others).any()
    assert not ((r.against >= 1) & (r.on >= 1)).any()


@given(box_scenes)
def test_mirroring_exchanges_left_and_right_and_nothing_else(scene: Scene) -> None:
    before, after = Relations(scene), Relations(mirrored(scene))
    np.testing.assert_allclose(before.left_of, after.left_of.T, atol=1e-7)
    np.testing.assert_allclose(before.left_side, -after.left_side, atol=1e-7)
    for name in (
        "near",
        "touching",
        "on",
        "under",
        "against",
        "above",
        "larger",
        "taller",
        "wider",
        "nearer",
        "in_front_of",
    ):
        np.testing.assert_allclose(getattr(before, name), getattr(after, name), atol=1e-7, err_msg=name)


@given(box_scenes, st.floats(-0.5, 0.5))
def test_turning_the_camera_changes_only_what_depends_on_its_direction(scene: Scene, angle: float) -> None:
    before, after = Relations(scene), Relations(turned(scene, angle))
    for name in ("near", "touching", "on", "under", "against", "above", "larger", "taller", "wider", "nearer"):
        np.testing.assert_allclose(getattr(before, name), getattr(after, name), atol=1e-6, err_msg=name)
    np.testing.assert_allclose(before.distance, after.distance, atol=1e-9)


@given(scenes, st.sampled_from(RELATIONS))
def test_a_pair_alone_gives_the_same_as_the_whole_scene(scene: Scene, relation: str) -> None:
    r = Relations(scene)
    a, b = scene.objects[0], scene.objects[-1]
    assert holds(scene, relation, a.id, b.id) == decided(KINDS[relation].value(r, (0, len(scene.objects) - 1)))


@given(scenes)
def test_kinds_that_stand_in_for_each_other_agree(scene: Scene) -> None:
    r = Relations(scene)
    assert {kind.converse for kind in KINDS.values()} - {""} == {"right_of", "behind", "below"}
    for kind in KINDS.values():
        one, other = ((0, 1, 2)[: kind.slots], (*(0, 1, 2)[: kind.slots - 2], *(0, 1, 2)[: kind.slots][-2:][::-1]))
        if kind.converse:
            assert kind.value(r, one) == KINDS[kind.converse].value(r, other)
        if kind.contrary:
            assert kind.value(r, one) == -KINDS[kind.contrary].value(r, one)
        if kind.choices is not None:
            assert [KINDS[name].value(r, one) for name in kind.choices] == [kind.value(r, one), -kind.value(r, one)]


def test_distance_and_bad_arguments() -> None:
    scene = two(standing(0, 3, (0.5, 1, 0.5)), standing(2, 3, (0.5, 1, 0.5)))
    assert Relations(scene).distance[0] == pytest.approx(np.hypot(2.75, 0.0))  # the box spans the camera's height
    with pytest.raises(ValueError, match="relation must be one of"):
        holds(scene, "beneath", 1, 2)
    with pytest.raises(ValueError, match="two different objects"):
        holds(scene, "near", 1, 1)
    with pytest.raises(KeyError, match="no object 7"):
        holds(scene, "near", 1, 7)


def test_thresholds_leave_a_band_everywhere() -> None:
    t = THRESHOLDS
    assert t.near_gap < t.far_gap
    assert t.touch_box_gap[0] < t.touch_box_gap[1]
    assert t.glimpse_fraction < t.min_visible_fraction
    for low, high in (t.support_overlap, t.support_lift, t.support_sink, t.under_overlap, t.under_drop, t.above_center):
        assert low < high
    assert min(t.volume_ratio, t.height_ratio, t.width_ratio) > 1
