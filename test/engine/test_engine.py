"""The engine's mechanics, with a real student of random weights."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from distill3d_ros.engine.box_decoding import DecodingConfig, RawBoxes, decode_objects, filter_by_score
from distill3d_ros.engine.engine import Engine
from distill3d_ros.engine.referents import keep_referents
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.geometry import box_distance
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

CAMERA = Intrinsics.from_fov(width=320, height=240, horizontal_fov=1.1)
LEVEL = np.eye(3)


def frame(seed: int = 0, **changes) -> Frame:
    image = np.random.default_rng(seed).integers(0, 256, (CAMERA.height, CAMERA.width, 3), np.uint8)
    return replace(Frame(image=image, intrinsics=CAMERA, stamp_ns=42, frame_id="cam"), **changes)


@pytest.fixture(scope="module")
def scene(engine: Engine) -> Scene:
    return engine.perceive(frame(), min_score=0.0)


def test_a_scene_has_everything_at_the_size_of_the_image(engine, scene):
    assert scene.depth.shape == scene.depth_confidence.shape == (240, 320)
    assert scene.depth.dtype == np.float32
    assert (scene.depth > 0).all()
    assert ((scene.depth_confidence > 0) & (scene.depth_confidence < 1)).all()
    assert (scene.stamp_ns, scene.frame_id, scene.intrinsics) == (42, "cam", CAMERA)
    assert scene.objects
    assert [o.id for o in scene.objects] == list(range(1, len(scene.objects) + 1))
    scores = [o.score for o in scene.objects]
    assert scores == sorted(scores, reverse=True)
    for o in scene.objects:
        assert o.label_scores[o.label] == o.score == max(o.label_scores.values())


def test_the_threshold_leaves_objects_out(engine, scene):
    middle = scene.objects[len(scene.objects) // 2].score
    fewer = engine.perceive(frame(), min_score=middle)
    assert 0 < len(fewer.objects) < len(scene.objects)
    assert all(o.score >= middle for o in fewer.objects)


def test_a_given_up_vector_turns_the_level_frame(engine):
    up = np.array([0.0, -math.cos(0.4), -math.sin(0.4)])
    level = engine.perceive(frame(up=up)).level_from_optical
    np.testing.assert_allclose(level @ up, [0.0, -1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(level @ level.T, np.eye(3), atol=1e-6)


def test_without_one_the_student_estimates_it(engine, scene):
    np.testing.assert_allclose(scene.level_from_optical @ scene.level_from_optical.T, np.eye(3), atol=1e-5)
    assert scene.level_from_optical[1, 1] > 0.5  # random weights start near a level camera


def test_longer_lenses_see_things_farther_away(engine, scene):
    """The depth head predicts for a canonical focal length: the same picture, twice the focal length, twice as far."""
    tele = replace(CAMERA, fx=2 * CAMERA.fx, fy=2 * CAMERA.fy)
    ratio = engine.perceive(frame(intrinsics=tele)).depth.mean() / scene.depth.mean()
    assert 1.5 < ratio < 2.7


def test_frames_with_poses_make_one_scene(engine):
    """The same picture from two metres farther right: whatever it shows is there twice, two metres apart."""
    right = np.eye(4)
    right[:3, 3] = (2.0, 0.0, 0.0)
    up = np.array([0.0, -1.0, 0.0])
    first = frame(up=up, world_from_camera=np.eye(4))
    one = engine.perceive(first, min_score=0.0)
    two = engine.perceive([first, replace(first, world_from_camera=right)], min_score=0.0)
    assert (one.views, two.views) == (1, 2)
    np.testing.assert_allclose(two.depth, one.depth, rtol=1e-4)
    centers = np.array([o.box.center for o in two.objects])
    assert len(two.objects) > len(one.objects)
    best = one.objects[0]
    for place in (best.box.center, best.box.center + right[:3, 3]):
        assert np.linalg.norm(centers - place, axis=1).min() < 0.3
    assert engine.ask(two, "Is there a chair?").understood
    assert all(object_id in {o.id for o in two.objects} for object_id in two.features.object_of_query.values())
    assert len(two.features.object_of_query) <= engine.student.config.detection.queries


def test_a_frame_whose_place_cannot_be_found_is_left_out(engine, scene):
    several = engine.perceive([frame(0), frame(1)], min_score=0.0)
    assert several.views == 1
    np.testing.assert_array_equal(several.depth, scene.depth)


def test_perceiving_twice_gives_the_same(engine, scene):
    again = engine.perceive(frame(), min_score=0.0)
    np.testing.assert_array_equal(again.depth, scene.depth)
    assert [o.score for o in again.objects] == [o.score for o in scene.objects]


def test_bad_frames_are_named(engine):
    with pytest.raises(ValueError, match=r"1 to 8 frames of a place. Got 0"):
        engine.perceive([])
    with pytest.raises(ValueError, match=r"1 to 8 frames of a place. Got 9"):
        engine.perceive([frame()] * 9)
    small = Frame(image=np.zeros((24, 32, 3), np.uint8), intrinsics=CAMERA.resized(width=32, height=24))
    with pytest.raises(ValueError, match=r"same size. Got .*\(24, 32\), \(240, 320\)"):
        engine.perceive([frame(), small])
    with pytest.raises(ValueError, match=r"fx must be a positive number.*Got nan"):
        frame(intrinsics=replace(CAMERA, fx=math.nan))


@pytest.mark.parametrize("size", [(1, 1), (7, 900), (480, 640)])
def test_images_of_any_size(engine, size):
    height, width = size
    camera = Intrinsics.from_fov(width=width, height=height, horizontal_fov=1.0)
    scene = engine.perceive(Frame(image=np.zeros((height, width, 3), np.uint8), intrinsics=camera))
    assert scene.depth.shape == size


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("", "empty question. Ask for example"),
        ("  \n ", "empty question"),
        ("Where " * 1700, "10200 characters; I read at most 500"),
        ("Wo steht der Stuhl?", r'do not understand "Wo steht der Stuhl\?".*English'),
        ("椅子在哪里", "do not understand"),
        ("\x00\ufffd😀", "do not understand"),
        ("What is the meaning of life?", "do not understand"),
    ],
)
def test_what_is_not_understood_is_an_answer_that_says_so(engine, scene, question, says):
    answer = engine.ask(scene, question)
    assert not answer.understood
    assert (answer.value, answer.confidence, answer.object_ids) == (None, 0.0, ())
    assert re.search(says, answer.text)


def test_a_question_is_read_up_to_the_limit(engine, scene):
    question = "Is the chair{}near the table?"
    padding = MAX_QUESTION_CHARACTERS - len(question.format(""))
    assert engine.ask(scene, question.format(" " * padding)).understood
    longer = engine.ask(scene, question.format(" " * (padding + 1)))
    assert f"has 501 characters; I read at most {MAX_QUESTION_CHARACTERS}" in longer.text


def test_one_by_one_or_together_the_answers_are_the_same(engine, scene):
    questions = ["Is there a lamp?", "", "Is the chair near the table?", "How many chairs are there?", "Qui?"]
    together = engine.ask_many(scene, questions)
    for question, answer in zip(questions, together, strict=True):
        alone = engine.ask(scene, question)
        assert (alone.text, alone.understood) == (answer.text, answer.understood)
        assert alone.confidence == pytest.approx(answer.confidence, abs=1e-4)
    assert [a.understood for a in together] == [True, False, True, True, False]
    assert all(0.0 <= a.confidence <= 1.0 for a in together)
    assert all(a.latency_ms > 0 for a in together)


def test_one_of_several_is_asked_about(engine, scene, monkeypatch):
    """The student's own boxes, two of them named chairs: it is told of one alone, and the answer rests on that one."""
    first, second = (replace(o, label="chair", score=0.9, label_scores={"chair": 0.9}) for o in scene.objects[:2])
    two = replace(scene, objects=(first, second))
    _, other = sorted((first, second), key=lambda o: box_distance(o.box))
    told = []
    monkeypatch.setattr(engine.student, "answer", lambda cache, texts: told.append(texts) or ask(cache, texts))
    ask = type(engine.student).answer.__get__(engine.student)
    answer = engine.ask(two, "How far is the nearest chair?")
    assert told == [["How far is the chair?"]]
    assert answer.understood
    assert other.id not in answer.object_ids
    missing = engine.ask(two, "How far is the chair next to the sofa?")
    assert (missing.text, missing.value, len(told)) == ("I do not see a sofa.", None, 1)


def test_what_is_not_meant_is_out_of_the_students_sight(engine, scene):
    chosen, *others = (o for o in scene.objects if o.label == scene.objects[0].label)
    features, column = scene.features, engine.labels.index(chosen.label)
    seen, owner = keep_referents(
        features.perception, {chosen.label: frozenset({chosen.id})}, scene, engine.labels, features.object_of_query
    )
    assert others
    assert set(owner.values()) == {o.id for o in scene.objects} - {o.id for o in others}
    assert set(owner) <= set(range(seen.detections.class_logits.shape[1]))
    for box, object_id in owner.items():
        assert (seen.detections.class_logits[0, box, column] < -10) == (object_id != chosen.id)
    everything = features.perception.detections.class_logits
    assert everything.shape[1] > seen.detections.class_logits.shape[1]
    assert (everything[..., column] > -10).all()  # the scene itself stays as it was


def test_a_scene_from_elsewhere_cannot_be_asked(engine):
    with pytest.raises(ValueError, match=r"needs a scene that Engine.perceive made"):
        engine.ask(Scene(objects=(), intrinsics=CAMERA), "Is there a chair?")


def never(*_, **__):
    raise AssertionError("nobody asked for this")


def test_perceiving_alone_does_not_run_the_language_model(engine, monkeypatch):
    monkeypatch.setattr(engine.student.language, "prefix", never)
    monkeypatch.setattr(engine.student.language, "forward", never)
    monkeypatch.setattr(engine.student.language, "cache", never)
    perceived = engine.perceive(frame(), min_score=0.0)
    assert perceived.objects
    assert engine.ask(perceived, "What do you see?").understood  # a description is put together from the boxes


def test_the_first_question_reads_the_picture_and_the_second_does_not(engine, monkeypatch):
    perceived = engine.perceive(frame(), min_score=0.0)
    read = engine.student.language._read_prefix
    times = []
    monkeypatch.setattr(engine.student, "perceive", never)
    monkeypatch.setattr(engine.student.language, "_read_prefix", lambda prefix: times.append(1) or read(prefix))
    assert engine.ask(perceived, "Is there a chair?").understood
    assert times == [1]
    assert engine.ask(perceived, "Is there a lamp?").understood
    shown = filter_by_score(perceived, min_score=0.5)  # a copy for the publishers is the same scene
    assert engine.ask(shown, "How many chairs are there?").understood
    assert times == [1]


def test_an_answer_does_not_depend_on_when_the_first_question_comes(engine):
    questions = ["Is the chair near the table?", "How many chairs are there?", "What is on the table?"]
    early = engine.perceive(frame(), min_score=0.0)
    at_once = engine.ask_many(early, questions)
    late = engine.perceive(frame(), min_score=0.0)
    engine.ask_many(engine.perceive(frame(5), min_score=0.0), questions)
    later = engine.ask_many(late, questions)
    assert [replace(a, latency_ms=0.0) for a in later] == [replace(a, latency_ms=0.0) for a in at_once]


def test_faint_objects_are_decoded_without_another_look(engine, monkeypatch):
    every = engine.perceive(frame(), min_score=0.0)
    fewer = engine.perceive(frame(), min_score=every.objects[1].score)
    monkeypatch.setattr(engine.student, "perceive", never)
    found = engine.objects(fewer, min_score=0.0)
    assert [(o.id, o.label, o.score, o.label_scores) for o in found] == [
        (o.id, o.label, o.score, o.label_scores) for o in every.objects
    ]
    assert len(fewer.objects) == 2


def test_the_engine_describes_itself_and_knows_its_weights(engine, folder):
    assert engine.model_sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert "'pico'" in engine.describe()
    assert engine.model_sha256[:12] in engine.describe()
    assert "chair" in engine.labels
    assert engine.warm_up() > 0


def test_threads_are_set_and_checked(engine):
    before = torch.get_num_threads()
    try:
        Engine(engine.student, device="cpu", threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    with pytest.raises(ValueError, match=r"threads must be at least 1. Got 0"):
        Engine(engine.student, threads=0)
    with pytest.raises(ValueError, match=r"precision must be one of '', 'float32', 'bfloat16'. Got 'int8'"):
        Engine(engine.student, precision="int8")
    with pytest.raises(ValueError, match=r"device must be one of auto, cpu, cuda. Got 'tpu'"):
        Engine(engine.student, device="tpu")


def test_precision_is_a_setting(folder, scene):
    rounded = Engine.from_pretrained(folder, device="cpu", precision="bfloat16").perceive(frame(), min_score=0.0)
    ratio = np.abs(np.log(rounded.depth / scene.depth))
    assert 0 < ratio.max() < 0.1


def test_folders_without_a_student_and_damaged_ones_are_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model must be a folder with a student.*nowhere"):
        Engine.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        Engine.from_pretrained(tmp_path)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ValueError, match="damaged or was exchanged"):
        Engine.from_pretrained(tmp_path)


def thing(object_id: int, label: str, x: float, score: float = 0.9) -> SceneObject:
    box = Box3D(center=[x, 0.5, 2.0], size=[0.5, 0.5, 0.5], yaw=0.0)
    return SceneObject(id=object_id, label=label, box=box, score=score)


def raw(rows: list[tuple[list[float], list[float]]]) -> RawBoxes:
    """Boxes of half a metre from (scores, centre)."""
    return RawBoxes(
        scores=np.array([scores for scores, _ in rows]),
        center=np.array([center for _, center in rows]),
        size=np.full((len(rows), 3), 0.5),
        yaw=np.zeros(len(rows)),
    )


def decoded(boxes: RawBoxes, **config):
    return decode_objects(
        boxes, ("chair", "table"), level_from_optical=LEVEL, intrinsics=CAMERA, config=DecodingConfig(**config)
    )


def test_twins_become_one_object_that_keeps_both_names():
    objects, owner = decoded(
        raw([([0.3, 0.5], [0.02, 0, 2]), ([0.8, 0.1], [0, 0, 2]), ([0.1, 0.6], [1.5, 0, 2]), ([0.1, 0.05], [0, 0, 3])]),
        min_score=0.2,
    )
    assert [(o.id, o.label, o.score) for o in objects] == [(1, "chair", 0.8), (2, "table", 0.6)]
    assert objects[0].label_score("table") == 0.5
    assert owner == {1: 1, 2: 2, 0: 1}


def test_neighbours_stay_two_objects():
    objects, _ = decoded(raw([([0.8, 0.1], [0, 0, 2]), ([0.7, 0.1], [0.3, 0, 2])]))  # overlap: iou 0.25
    assert len(objects) == 2


def test_boxes_that_are_not_finite_are_left_out():
    objects, owner = decoded(raw([([0.9, 0.0], [np.nan, 0, 2]), ([0.5, 0.0], [0, 0, 2])]))
    assert ([o.score for o in objects], owner) == ([0.5], {1: 1})


def test_what_is_shown_scores_enough_or_is_asked_about(scene):
    objects = (thing(1, "chair", 0.0, 0.9), thing(2, "table", 1.0, 0.18), thing(3, "lamp", 2.0, 0.15))
    faint = replace(scene, objects=objects)
    assert [o.id for o in filter_by_score(faint).objects] == [1]
    assert [o.id for o in filter_by_score(faint, also=(3,)).objects] == [1, 3]
    assert [o.id for o in filter_by_score(faint, min_score=0.17).objects] == [1, 2]


def test_wrong_decoding_is_named():
    with pytest.raises(ValueError, match=r"decoding.min_score must lie in 0..1. Got 1.5"):
        DecodingConfig(min_score=1.5)
