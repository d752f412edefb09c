"""How the language model's words and the rules become one answer."""

from __future__ import annotations

from distill3d_ros.engine.answer_fusion import fuse_answers
from distill3d_ros.questions.parsing import parse
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.student.outputs import GeneratedAnswer

CAMERA = Intrinsics.from_fov(width=320, height=240, horizontal_fov=1.1)


def thing(object_id: int, label: str, x: float, score: float = 0.9) -> SceneObject:
    box = Box3D(center=[x, 0.5, 2.0], size=[0.5, 0.5, 0.5], yaw=0.0)
    return SceneObject(id=object_id, label=label, box=box, score=score)


def test_agreement_makes_an_answer_surer_and_contradiction_less_sure():
    seen = Scene(intrinsics=CAMERA, objects=(thing(1, "chair", -1.0), thing(2, "table", 1.0)))
    asked = parse("Is the chair left of the table?")
    assert asked is not None
    assert answer_by_rules(asked, seen).value is True
    yes = fuse_answers(asked, GeneratedAnswer(text="yes", confidence=0.6), seen, {})
    no = fuse_answers(asked, GeneratedAnswer(text="no", confidence=0.6), seen, {})
    assert (yes.value, no.value) == (True, False)
    assert (yes.source, no.source) == ("language", "language")
    assert yes.confidence > 0.6 > no.confidence
    assert yes.object_ids == (1, 2)  # the language model pointed at nothing: the rules' objects


def test_a_text_that_is_no_answer_gives_way_to_the_rules():
    seen = Scene(intrinsics=CAMERA, objects=(thing(1, "chair", -1.0), thing(2, "table", 1.0)))
    asked = parse("Is the chair left of the table?")
    for text in ("", "chair chair", "two", "1.4 metres", "I do not see a lamp."):
        answer = fuse_answers(asked, GeneratedAnswer(text=text, confidence=0.9), seen, {})
        assert (answer.text, answer.source) == ("yes", "geometry"), text


def test_not_seeing_is_an_answer_without_objects():
    asked = parse("Is the chair left of the table?")
    seen = Scene(intrinsics=CAMERA, objects=(thing(2, "table", 1.0),))
    said = GeneratedAnswer(text="I do not see a chair.", confidence=0.7, object_indices=(0,))
    answer = fuse_answers(asked, said, seen, {0: 2})
    assert (answer.text, answer.value, answer.object_ids) == ("I do not see a chair.", None, ())
    assert answer.confidence > 0.7  # the rules do not see it either


def test_metres_are_not_told_without_a_scale():
    asked = parse("How far away is the table?")
    seen = Scene(intrinsics=CAMERA, objects=(thing(2, "table", 1.0),), is_metric=False)
    answer = fuse_answers(asked, GeneratedAnswer(text="2.1 metres", confidence=0.9), seen, {})
    assert (answer.value, answer.confidence) == (None, 0.0)


def test_what_the_words_point_at_are_the_answers_objects():
    asked = parse("Is the chair left of the table?")
    seen = Scene(intrinsics=CAMERA, objects=(thing(1, "chair", -1.0), thing(2, "table", 1.0)))
    said = GeneratedAnswer(text="yes", confidence=0.9, object_indices=(7, 3, 5))
    assert fuse_answers(asked, said, seen, {3: 1, 7: 2}).object_ids == (2, 1)


def test_a_relation_of_a_thing_that_no_box_is_taken_for_is_not_told():
    """In every family: the words are sure, and there is nothing that they could be about."""
    seen = Scene(intrinsics=CAMERA, objects=(thing(2, "table", 1.0), thing(3, "lamp", 0.0)))
    for text, words in (
        ("Is the bed left of the table?", "yes"),
        ("Is the table near the bed?", "no"),
        ("How far is the bed?", "2.1 metres"),
        ("Which is taller, the bed or the table?", "the bed"),
        ("What is on the bed?", "a lamp"),
        ("Is the bed touching the table?", "no"),
    ):
        answer = fuse_answers(parse(text), GeneratedAnswer(text=words, confidence=0.98), seen, {})
        assert (answer.text, answer.value, answer.reason) == ("I do not see a bed.", None, "not_seen"), text
