"""The rules on boxes that are not certain: looking names up, what is not seen, margins, confidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scene_samples import FLOOR, box, random_scene, scene_of, thing, without_mesh_truth

from distill3d_ros.questions.answer_text import NOT_UNDERSTOOD
from distill3d_ros.questions.ground_truth.question import is_correct
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import ParsedQuestion, parse
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject


def ground(x: float, z: float, size: float = 0.4) -> Box3D:
    return box(x, FLOOR - size / 2, z, (size, size, size))


def asked(text: str) -> ParsedQuestion:
    parsed = parse(text)
    assert parsed is not None, text
    return parsed


def test_what_is_not_understood_is_said_so() -> None:
    answer = answer_by_rules(parse("how is the weather?"), scene_of())
    assert answer.text == NOT_UNDERSTOOD
    assert not answer.understood
    assert answer.value is None
    assert answer.confidence == 0


def test_the_object_with_the_highest_score_for_the_name_is_meant() -> None:
    left = SceneObject(id=1, label="sofa", box=ground(-1, 3), score=0.5, label_scores={"sofa": 0.5, "bed": 0.4})
    right = SceneObject(id=2, label="bed", box=ground(1, 3), score=0.8, label_scores={"bed": 0.8, "sofa": 0.1})
    answer = answer_by_rules(asked("is the bed right of the sofa?"), scene_of(left, right))
    assert answer.value is True
    assert answer.object_ids == (2, 1)


def test_two_names_never_stand_for_one_object() -> None:
    both = SceneObject(id=1, label="chair", box=ground(-1, 3), score=0.6, label_scores={"chair": 0.6, "armchair": 0.55})
    second = SceneObject(id=2, label="armchair", box=ground(1, 3), score=0.5, label_scores={"armchair": 0.5})
    scene = scene_of(both, second)
    assert answer_by_rules(asked("is the armchair to the left of the chair?"), scene).object_ids == (2, 1)
    alone = answer_by_rules(asked("is the armchair to the left of the chair?"), scene_of(both))
    assert alone.text == "I do not see an armchair."


@pytest.mark.parametrize(("score", "seen", "named"), [(0.4, True, True), (0.15, False, True), (0.05, False, False)])
def test_faint_things_are_not_seen_unless_they_are_taken_for_granted(score: float, seen: bool, named: bool) -> None:
    scene = scene_of(thing(1, "lamp", ground(0, 3), score=score))
    assert answer_by_rules(asked("is there a lamp?"), scene).value is seen
    how_far = answer_by_rules(asked("how far is the lamp?"), scene)
    assert (how_far.value is not None) is named
    if not named:
        assert how_far.text == "I do not see a lamp."
        assert how_far.understood
        assert answer_by_rules(asked("how far is the lamp?"), scene, named_score=0.01).value is not None


@given(st.integers(0, 3000), st.sampled_from([kind for kind, spec in KINDS.items() if spec.form == "yes_no"]))
def test_inside_a_margin_the_nearer_side_is_taken_with_doubt(seed: int, kind: str) -> None:
    scene = random_scene(np.random.default_rng(seed), 6, meshes=False)
    labels = tuple(o.label for o in scene.objects[: KINDS[kind].slots])
    answer = answer_by_rules(ParsedQuestion("", kind, labels, ()), scene)
    assert isinstance(answer.value, bool)
    assert 0.5 <= answer.confidence <= 1
    if KINDS[kind].slots == 2:
        assert set(answer.object_ids) == {o.id for o in scene.objects[:2]}


def test_confidence_grows_with_the_margin_and_with_the_scores() -> None:
    question = asked("is the chair left of the table?")
    table = thing(2, "table", ground(1, 3))
    by_offset = [
        answer_by_rules(question, scene_of(thing(1, "chair", ground(x, 3)), table)).confidence for x in (0.9, 0.6, 0.0)
    ]
    assert by_offset == sorted(by_offset)
    assert by_offset[0] < 0.75 < by_offset[2]
    faint = scene_of(thing(1, "chair", ground(0.0, 3), score=0.4), table)
    assert answer_by_rules(question, faint).confidence < by_offset[2] - 0.2


def test_nothing_is_said_in_metres_without_a_scale() -> None:
    scene = replace(scene_of(thing(1, "chair", ground(0, 3))), is_metric=False)
    answer = answer_by_rules(asked("how far is the chair?"), scene)
    assert answer.value is None
    assert answer.understood
    assert "metres" in answer.text
    assert answer.confidence == 0


def test_naming_and_counting_on_predictions() -> None:
    table = thing(1, "table", box(0, FLOOR - 0.35, 3, (1, 0.7, 1)), score=0.9)
    cup = thing(2, "cup", box(-0.3, FLOOR - 0.74, 3, (0.1, 0.1, 0.1)), score=0.7)
    lamp = thing(3, "lamp", ground(1.5, 3), score=0.6)
    noise = thing(4, "lamp", ground(-2, 3), score=0.05)
    scene = scene_of(table, cup, lamp, noise)
    on = answer_by_rules(asked("what is on the table?"), scene)
    assert (on.text, on.object_ids) == ("a cup", (2, 1))
    assert answer_by_rules(asked("what is on the lamp?"), scene).text == "nothing"
    assert answer_by_rules(asked("how many lamps do you see?"), scene).value == 1
    assert answer_by_rules(asked("how many beds?"), scene).text == "none"
    assert answer_by_rules(asked("what is right of the table?"), scene).text == "a lamp"
    assert answer_by_rules(asked("what is left of the table?"), scene).text == "nothing"


def test_an_empty_scene_answers_every_kind() -> None:
    for kind, spec in KINDS.items():
        labels = ("chair", "table", "lamp")[: spec.slots]
        answer = answer_by_rules(ParsedQuestion("", kind, labels, ()), scene_of())
        assert answer.text in ("I do not see a chair.", "no", "none", "nothing"), kind


def test_a_question_with_the_wrong_number_of_names_is_an_error() -> None:
    with pytest.raises(ValueError, match="names 2 things"):
        answer_by_rules(ParsedQuestion("", "near", ("chair",), ()), scene_of())


def _noisy(scene: Scene, rng: np.random.Generator, depth: float) -> Scene:
    """Boxes as a detector with a relative depth error would give them."""
    objects = []
    for o in scene.objects:
        size = o.box.size * np.exp(rng.normal(0, 0.05, 3))
        center = o.box.center * (1 + rng.normal(0, depth))
        objects.append(replace(o, box=Box3D(center=center, size=size, yaw=o.box.yaw + rng.normal(0, 0.1))))
    return replace(without_mesh_truth(scene), objects=tuple(objects))


@pytest.mark.parametrize(("depth", "least"), [(0.0, 0.95), (0.05, 0.86)])
def test_the_rules_bear_noise(depth: float, least: float) -> None:
    rng = np.random.default_rng(4)
    right = []
    for _ in range(25):
        scene = random_scene(rng, 8)
        noisy = _noisy(scene, rng, depth)
        right += [is_correct(f, answer_by_rules(f, noisy)) for f in question_candidates(scene)[::5]]
    assert np.mean(right) > least
