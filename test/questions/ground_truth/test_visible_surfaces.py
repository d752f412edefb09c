"""Questions about things of which only the visible surface is known: what it does not decide is not asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.scene_samples import FLOOR, box, random_scene

from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.ground_truth.reference_candidates import reference_candidates
from distill3d_ros.questions.ground_truth.usual_sizes import USUAL_SIZES
from distill3d_ros.questions.ground_truth.visible_relations import VisibleRelations, completed, open_sides
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.relations import Relations
from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import image_rectangle
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

CAMERA = Intrinsics.from_fov(width=400, height=300, horizontal_fov=1.2)
MARKED = frozenset({"chair", "table", "sofa", "door", "lamp", "picture", "toilet", "sink", "books", "bed"})
SEEN = Annotation(
    depth="measured", boxes="visible", classes=MARKED, covers={"chair": ("armchair", "stool"), "sofa": ("armchair",)}
)


def shown(number: int, label: str, where: Box3D, *, pixels: int = 3000) -> SceneObject:
    rectangle = image_rectangle(where, np.eye(3), CAMERA)
    return SceneObject(id=number, label=label, box=where, visible_pixels=pixels, image_box=rectangle)


def frame_with(*objects: SceneObject, **known: object) -> Scene:
    return Scene(objects=objects, intrinsics=CAMERA, annotation=replace(SEEN, **known))  # type: ignore[arg-type]


def asked(scene: Scene, kind: str, *labels: str) -> list[GroundTruthQA]:
    """Facts of a kind about things that are there, or about a class."""
    facts = [f for f in question_candidates(scene) if kind in ("exists", "count") or None not in f.object_ids]
    return [f for f in facts if f.kind == kind and (not labels or f.labels == labels)]


def answer(scene: Scene, kind: str, *labels: str) -> object:
    (fact,) = asked(scene, kind, *labels)
    return fact.answer.value


def flat(x: float, y: float, z: float, width: float = 0.5, height: float = 0.5) -> Box3D:
    """What a camera sees of a thing: its front."""
    return box(x, y, z, (width, height, 0.1))


def test_unmarked_classes_are_neither_there_nor_absent() -> None:
    scene = frame_with(shown(1, "chair", flat(0, 0.2, 3)))
    about = {f.labels[0]: f.answer.value for f in asked(scene, "exists")}
    assert about["chair"] is True
    assert about["bed"] is about["sink"] is about["lamp"] is False
    assert not set(about) - MARKED
    absent = {label for f in question_candidates(scene) for label, i in zip(f.labels, f.object_ids, strict=True)
              if i is None and f.kind not in ("exists", "count")}  # fmt: skip
    assert absent <= MARKED


def test_what_may_go_by_another_name_is_not_called_absent() -> None:
    scene = frame_with(shown(1, "chair", flat(0, 0.2, 3)), shown(2, "picture", flat(-1, -0.5, 4)))
    denied = {f.labels[0] for f in asked(scene, "exists") if f.answer.value is False}
    assert "sofa" not in denied  # somebody may call the chair one
    assert "toilet" in denied


def test_a_marked_chair_may_be_an_armchair() -> None:
    scene = frame_with(shown(1, "chair", flat(-1, 0.2, 2)), shown(2, "toilet", flat(1, 0.2, 4)))
    (fact,) = asked(scene, "nearest_to_me")
    assert fact.answer.value == "chair"
    assert set(fact.accepted) == {"armchair", "stool"}
    assert not asked(scene, "count", "chair")  # an armchair is none, and nobody said which it is


def test_counting_wants_things_apart_whole_and_in_one_part() -> None:
    near, far = shown(1, "picture", flat(-0.8, 0, 3)), shown(2, "picture", flat(0.8, 0, 3))
    assert answer(frame_with(near, far), "count", "picture") == 2
    touching = shown(3, "picture", flat(-0.25, 0, 3))
    assert not asked(frame_with(near, touching), "count", "picture")
    cut = shown(4, "picture", flat(2.1, 0, 3))
    assert not asked(frame_with(near, cut), "count", "picture")
    assert not asked(frame_with(shown(1, "books", flat(0, 0, 3))), "count", "books")
    many = [shown(i, "lamp", flat(-1.4 + 0.45 * i, 0, 3, 0.2, 0.2)) for i in range(1, 7)]
    assert not asked(frame_with(*many), "count", "lamp")
    assert answer(frame_with(near), "count", "toilet") == 0


def test_the_front_that_is_seen_decides_sides_and_distances() -> None:
    scene = frame_with(shown(1, "toilet", flat(-1, 0.3, 2.5)), shown(2, "door", flat(1, 0, 4.5, 0.9, 1.6)))
    relations = VisibleRelations(scene)
    assert relations.left_of[0, 1] > 1
    assert relations.in_front_of[0, 1] > 1
    assert relations.nearer[0, 1] > 1
    true = Relations(scene).distance
    np.testing.assert_allclose(relations.distance, true, rtol=0.1)
    assert answer(scene, "distance_to", "door") == pytest.approx(true[1], rel=0.1)
    assert answer(scene, "farthest_thing") == "door"


def test_depth_behind_the_surface_is_allowed_for() -> None:
    """A bed seen from its end reaches two metres back: the lamp 0.9 m behind its end may stand beside it."""
    bed, lamp = shown(1, "bed", flat(-1, 0.4, 3, 1.4, 0.6)), shown(2, "lamp", flat(0.8, 0.2, 3.9, 0.3, 0.6))
    assert Relations(frame_with(bed, lamp)).in_front_of[0, 1] > 1
    assert abs(VisibleRelations(frame_with(bed, lamp)).in_front_of[0, 1]) < 1
    assert not asked(frame_with(bed, lamp), "distance_between")
    assert not [f for f in question_candidates(frame_with(bed, lamp)) if f.kind == "far" and f.answer.value]
    picture = shown(3, "picture", flat(-1, 0.4, 3, 1.4, 0.6))  # flat: nothing of it is hidden
    assert VisibleRelations(frame_with(picture, lamp)).in_front_of[0, 1] > 1


def test_near_is_sure_where_the_visible_gap_is_small_and_far_where_no_hidden_part_closes_it() -> None:
    pair = frame_with(shown(1, "toilet", flat(-0.4, 0.3, 3)), shown(2, "lamp", flat(0.3, 0.3, 3, 0.4)))
    assert VisibleRelations(pair).near[0, 1] > 1
    wide = frame_with(shown(1, "toilet", flat(-1.4, 0.3, 3.5)), shown(2, "lamp", flat(1.4, 0.3, 3.5, 0.4)))
    assert VisibleRelations(wide).near[0, 1] < -1


def test_a_thing_cut_off_by_the_picture_has_no_size_and_no_distance() -> None:
    whole = frame_with(shown(1, "toilet", flat(0, 0.2, 3)))
    assert answer(whole, "height_of", "toilet") == pytest.approx(0.5, abs=0.05)
    below = shown(1, "toilet", flat(0, 1.6, 3, 0.5, 1.0))
    cut = frame_with(below)
    assert open_sides(below, cut) == {"bottom"}
    assert not asked(cut, "height_of")
    assert not asked(cut, "distance_to")
    assert completed(below, cut).box.size[2] > 0.6


def test_an_augmented_view_that_cuts_a_thing_off_is_noticed() -> None:
    toilet = shown(1, "toilet", flat(0, 0.2, 3))
    assert toilet.image_box is not None
    left, top, right, bottom = toilet.image_box
    view = CAMERA.cropped(left=int(left) + 10, top=0, width=200, height=300)
    rectangle = (-0.5, top, right - int(left) - 10, bottom)
    scene = Scene(objects=(replace(toilet, image_box=rectangle),), intrinsics=view, annotation=SEEN)
    assert open_sides(scene.objects[0], scene) == {"left"}
    assert not asked(scene, "count", "toilet")


def test_a_thing_behind_a_nearer_one_may_go_on_there() -> None:
    door, chair = shown(1, "door", flat(0, 0, 4, 0.8, 1.4)), shown(2, "chair", flat(0, 0.6, 2.5, 0.7, 0.7))
    scene = frame_with(door, chair)
    assert "bottom" in open_sides(door, scene)
    assert open_sides(chair, scene) == frozenset()
    assert not asked(scene, "height_of", "door")
    assert asked(frame_with(door), "height_of", "door")


def test_without_gravity_nothing_is_higher() -> None:
    things = (shown(1, "picture", flat(0, -1.0, 4)), shown(2, "toilet", flat(0.2, 0.6, 4)))
    assert answer(frame_with(*things), "above" if asked(frame_with(*things), "above") else "below") is not None
    level_unknown = question_candidates(frame_with(*things, gravity=False))
    kinds = {f.kind for f in level_unknown if None not in f.object_ids}
    assert not kinds & {"above", "below", "height_of", "taller", "which_taller", "which_shorter"}
    assert {"nearer_to_me", "farther_from_me", "exists"} & {f.kind for f in level_unknown}


def test_without_depth_only_what_is_there_is_asked() -> None:
    facts = question_candidates(frame_with(shown(1, "toilet", flat(0, 0, 3)), depth="none"))
    assert {f.kind for f in facts} == {"exists", "count"}


def test_where_nobody_looked_for_things_nothing_is_asked() -> None:
    assert question_candidates(Scene(objects=(), intrinsics=CAMERA, annotation=replace(SEEN, boxes="none"))) == []


def test_contact_support_and_volume_are_never_decided() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        scene = random_scene(rng, 8, meshes=False)
        things = tuple(shown(o.id, o.label, o.box) for o in scene.objects if o.box.center[2] > 0.5)
        scene = replace(
            scene, objects=things, intrinsics=CAMERA, annotation=Annotation(depth="measured", boxes="visible")
        )
        for fact in question_candidates(scene):
            if None in fact.object_ids:
                continue  # counting, existence, and what is absent
            assert KINDS[fact.kind].family != "contact"
            assert fact.kind not in ("larger", "wider", "which_larger", "which_wider", "width_of", "largest_thing")
            assert fact.kind not in ("what_is_on", "standing_on", "what_is_under", "under")
        assert reference_candidates(scene, rng) == []


def test_what_is_decided_holds_for_whole_things_too() -> None:
    """Whole boxes, of which the camera sees the front alone: what the fronts decide is true of the whole."""
    rng = np.random.default_rng(5)
    wrong = checked = 0
    for _ in range(60):
        labels = rng.permutation(["toilet", "chair", "door", "lamp", "table", "bed", "picture"])[:4]
        whole, fronts = [], []
        for number, label in enumerate(labels, 1):
            length, height, depth = (s * rng.uniform(0.5, 0.95) for s in USUAL_SIZES[label])
            z = rng.uniform(2.5, 6)
            x = rng.uniform(-0.4, 0.4) * z
            there = box(x, FLOOR - height / 2, z + depth / 2, (length, height, depth))
            whole.append(SceneObject(id=number, label=label, box=there))
            fronts.append(shown(number, label, box(x, FLOOR - height / 2, z + 0.05, (length, height, 0.1))))
        scene = frame_with(*fronts)
        truth = Relations(replace(scene, objects=tuple(whole)), whole)
        for fact in question_candidates(scene):
            kind = KINDS[fact.kind]
            if kind.form != "yes_no" or None in fact.object_ids or kind.slots != 2:
                continue
            score = kind.value(truth, tuple(i - 1 for i in fact.object_ids if i is not None))
            checked += 1
            wrong += (score > 0) != fact.answer.value
    assert checked > 200
    assert wrong / checked < 0.01


def test_every_class_has_a_usual_size() -> None:
    assert set(USUAL_SIZES) == set(LABELS)
