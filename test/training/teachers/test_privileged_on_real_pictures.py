"""The privileged teacher where depth is measured, with holes, and where nobody labelled the pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training.tiny_training import LABELS, six_objects, tiny_config
from support.training.unlabelled_pictures import WITH_DEPTH, picture_folder, unlabelled

from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.questions.parsing import parse
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.student.checkpoint import save_student
from distill3d_ros.student.student import Student
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.data.manifest import Manifest, write_manifest
from distill3d_ros.training.data.mixture import open_split
from distill3d_ros.training.data.sample import UNKNOWN_ID, Sample
from distill3d_ros.training.data.shards import ShardWriter
from distill3d_ros.training.evaluation.evaluate import evaluate
from distill3d_ros.training.evaluation.evaluation_options import EvaluateOptions
from distill3d_ros.training.evaluation.grading import parse_answer
from distill3d_ros.training.inputs.augmentation import view_from_sample
from distill3d_ros.training.inputs.targets import perceive_batch, perception_batch
from distill3d_ros.training.losses.supervised import perception_losses
from distill3d_ros.training.stages.make_stage import make_stage
from distill3d_ros.training.start.initial_student import new_student
from distill3d_ros.training.teachers.asking import confidence, is_sure
from distill3d_ros.training.teachers.make_teacher import make_teacher
from distill3d_ros.training.teachers.privileged import PrivilegedTeacher, quartered_known
from distill3d_ros.training.teachers.teach import teach
from distill3d_ros.training.teachers.teach_options import AnswerOptions, TeacherOptions


@pytest.fixture(scope="module")
def student() -> Student:
    torch.manual_seed(0)
    return new_student(replace(tiny_config(), preset="privileged"))


@pytest.fixture(scope="module")
def privileged(student: Student, tmp_path_factory: pytest.TempPathFactory) -> PrivilegedTeacher:
    model = save_student(tmp_path_factory.mktemp("model"), student)
    made = make_teacher(TeacherOptions(teacher="privileged", model=str(model), device="cpu"))
    assert isinstance(made, PrivilegedTeacher)
    return made


class SharpEyed:
    """A teacher that sees every second thing and answers from all of them; surely, or in every third case hardly."""

    name, tokenizer_sha256, answers_questions = "sharp-eyed", None, True

    def __init__(self) -> None:
        self.said: dict[str, str] = {}

    def perceive(self, sample: Sample) -> TeacherPerception:
        seen = self._truth(sample).scene.objects[::2]
        probs = np.full((len(seen), len(LABELS)), 0.01, np.float32)
        probs[range(len(seen)), [LABELS.index(o.label) for o in seen]] = 0.9
        return TeacherPerception(
            depth=quartered_known(np.asarray(sample.scene.depth)),
            log_error=None,
            center_level=np.stack([o.box.center for o in seen]),
            size=np.stack([o.box.size for o in seen]),
            yaw=np.array([o.box.yaw for o in seen]),
            class_probs=probs,
            labels=LABELS,
        )

    def answer(self, sample: Sample, questions: Sequence[str]) -> list[TeacherAnswer]:
        scene = self._truth(sample).scene
        answers = []
        for number, question in enumerate(questions):
            text = answer_by_rules(parse(question), scene).text
            self.said[question] = text
            sure = np.log(0.3 if number % 3 == 0 else 0.9)
            answers.append(TeacherAnswer(text=text, top_tokens=np.array([[1]]), top_logits=np.array([[sure]])))
        return answers

    def describe(self) -> dict[str, Any]:
        return {"kind": "sharp-eyed", "vocabulary": 400}

    @staticmethod
    def _truth(sample: Sample) -> Sample:
        return six_objects("train", int(sample.room.partition("-")[2]))


def real_frame(number: int) -> Sample:
    """``six_objects`` as an RGB-D camera and somebody with a pencil would tell it."""
    whole, holes = six_objects("train", number), unlabelled(number, WITH_DEPTH)
    ids = whole.ids.copy()
    ids[:, 60:] = UNKNOWN_ID
    annotation = Annotation(depth="measured", boxes="visible", gravity=True, classes=frozenset(LABELS))
    scene = replace(whole.scene, depth=holes.scene.depth, annotation=annotation)
    return replace(whole, scene=scene, ids=ids, frame=replace(whole.frame, depth=holes.scene.depth))


def pairs(answers: Path, data: Path) -> list[tuple[Question, TeacherAnswer]]:
    """Every question of a cache with its answer."""
    return [pair for c in TeacherCache(answers, (data,)) for pair in zip(c.questions, c.answers, strict=True)]


def test_holes_of_the_depth_stay_holes(privileged: PrivilegedTeacher) -> None:
    """Filled in they would be taught as truth. Elsewhere it is what was measured, 0 in columns 0 to 8."""
    sample = unlabelled(1, WITH_DEPTH)
    seen = privileged.perceive(sample)
    assert seen.depth is not None
    assert not seen.depth[:, :2].any()
    true = np.asarray(six_objects("train", 1).scene.depth)
    known = seen.depth > 0
    assert known[:, 3:].mean() > 0.9
    low, high = (f(true.reshape(16, 4, 16, 4), (1, 3)) for f in (np.min, np.max))
    assert ((seen.depth >= low * 0.999) & (seen.depth <= high * 1.001))[known].all()
    for name in ("center_level", "size", "yaw", "class_probs"):
        assert np.isfinite(getattr(seen, name)).all(), name
    assert seen.log_error is None


def test_cells_are_averaged_over_what_is_known() -> None:
    """Nine of sixteen pixels of 2 m; seven of sixteen are too few; 1 m and 4 m make 2 m."""
    cells = [np.zeros(16, np.float32) for _ in range(3)]
    cells[0][:9], cells[1][:7], cells[2][:] = 2, 2, [1, 4] * 8
    depth = np.concatenate([c.reshape(4, 4) for c in cells], 1)
    np.testing.assert_allclose(quartered_known(depth), [[2, 0, 2]], rtol=1e-6)


def test_nothing_measured_at_all_is_no_error(privileged: PrivilegedTeacher) -> None:
    blind = unlabelled(0, WITH_DEPTH, share_known=0.0)
    seen = privileged.perceive(blind)
    assert seen.depth is not None
    assert not seen.depth.any()
    assert np.isfinite(seen.class_probs).all()
    assert privileged.answer(blind, ["Is there a chair?"])[0].text is not None


def test_a_gravity_that_nobody_knows_is_not_told(privileged: PrivilegedTeacher) -> None:
    """Its boxes are then in a level frame of its own: their rectangles in the picture are kept."""
    tilted = unlabelled(2, replace(WITH_DEPTH, gravity=False))
    seen = privileged.perceive(tilted)
    assert seen.center_level is None
    assert seen.rectangles is not None
    assert len(seen.rectangles) == len(seen.class_probs)
    assert ((seen.rectangles >= 0) & (seen.rectangles <= 1)).all()
    view = view_from_sample(tilted)
    by_hand = perception_batch([view], {}, min_visible_pixels=0, grid=(2, 2), up_given=False)
    with torch.inference_mode():
        found = perceive_batch(privileged.student, by_hand)
        best = privileged.student.objects(found).class_probs[0].amax(1).max()
    assert seen.class_probs.max() <= best + 1e-6


def test_it_is_trained_on_real_frames(student: Student) -> None:
    """Holes are no depth of 0 m, and a visible box teaches no amodal size."""
    views = [view_from_sample(real_frame(n)) for n in range(2)]
    index = {name: i for i, name in enumerate(student.config.labels)}
    stride = student.encoder.patch_embed.patch_size
    batch = perception_batch(views, index, min_visible_pixels=1, grid=(64 // stride, 64 // stride))
    student.zero_grad(set_to_none=True)
    losses = perception_losses(perceive_batch(student, batch), batch)
    assert {"image_box", "surface", "detection_class", "camera"} <= set(losses)
    assert not {"depth", "depth_gradient", "relative_depth", "detection_box"} & set(losses)
    torch.stack(list(losses.values())).sum().backward()
    grad = student.get_parameter("depth_head.place.fc2.weight").grad
    assert grad is not None
    assert torch.isfinite(grad).all()
    assert grad.any()


def test_of_unlabelled_pictures_it_is_asked_what_it_is_sure_of(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "pictures", {"train": 3}, WITH_DEPTH)
    teacher = SharpEyed()
    options = AnswerOptions(data=(data,), out=tmp_path / "answers", measure=1, min_confidence=0.5)
    teach(teacher, options, report=lambda _: None)
    kept = [
        pair for c in TeacherCache(tmp_path / "answers", (data,)) for pair in zip(c.questions, c.answers, strict=True)
    ]
    assert 0 < len(kept) < len(teacher.said)
    for question, answer in kept:
        assert confidence(answer) == pytest.approx(0.9, abs=1e-3)
        assert is_correct(question, parse_answer(answer.text))
    named = {label for question, _ in kept for label in question.fact.labels}
    assert named & set(LABELS[::2])
    everything = AnswerOptions(data=(data,), out=tmp_path / "all", measure=1, min_confidence=0.0)
    teach(SharpEyed(), everything, report=lambda _: None)
    more = pairs(tmp_path / "all", data)
    assert len(kept) < len(more) < len(teacher.said)  # some answers contradict its own boxes
    with pytest.raises(ValueError, match=r"min_confidence must lie between 0 and 1. Got 2"):
        teach(SharpEyed(), replace(options, min_confidence=2), report=lambda _: None)


def test_sure_is_confident_and_consistent(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "pictures", {"train": 1}, WITH_DEPTH)
    teach(SharpEyed(), AnswerOptions(data=(data,), out=tmp_path / "a", measure=1), report=lambda _: None)
    (cached,) = TeacherCache(tmp_path / "a", (data,))
    question, answer = cached.questions[0], cached.answers[0]
    assert is_sure(question, answer, 0.5)
    assert not is_sure(question, answer, 0.95)
    assert not is_sure(question, replace(answer, text="I do not understand"), 0.5)
    assert is_sure(question, replace(answer, top_tokens=None, top_logits=None), 0.95)


def test_a_student_learns_from_it_on_unlabelled_pictures(tmp_path: Path) -> None:
    """The teacher's boxes stand for the truth, in the losses and where the words of the questions point."""
    data = picture_folder(tmp_path / "pictures", {"train": 2}, WITH_DEPTH)
    teach(SharpEyed(), AnswerOptions(data=(data,), out=tmp_path / "a", measure=1), report=lambda _: None)
    torch.manual_seed(0)
    config = tiny_config()
    learner = new_student(replace(config, student={**config.student, "labels": list(LABELS)}))
    plain = AugmentConfig(zoom=(1, 1), flip=0, color=0, noise=0, without_up=0)
    stage_config = StageConfig(
        name="d", kind="distill", teacher=str(tmp_path / "a"), augment=plain, min_visible_pixels=1, workers=0,
        loss_weights={"teacher_text": 1.0},
    )  # fmt: skip
    stage = make_stage(stage_config, (data,), tmp_path / "out", learner)
    keys = open_split((data,), "train").keys
    batch = stage.builder()(keys, np.random.default_rng(0))
    assert [o.label for o in batch.scenes[0].objects] == [o.label for o in six_objects("train", 0).scene.objects[::2]]
    assert batch.perception.mask.any()
    assert batch.perception.amodal.all()
    assert not batch.perception.depth[:, :, :9].any()
    losses = stage.losses(learner, batch)
    assert {"text", "names", "depth", "teacher_box", "detection_box", "depth_kl"} <= set(losses)
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_retention_is_measured_on_real_questions(student: Student, tmp_path: Path) -> None:
    """Student and teacher are asked the same; boxes of what is visible say nothing about sizes."""
    data = tmp_path / "real"
    data.mkdir()
    with ShardWriter(data, split="val", number=0, first_room=0, rooms=4) as writer:
        for number in range(4):
            writer.add(replace(real_frame(number), key=f"val-{number}-00", split="val", room=f"place-{number}"))
    assert writer.info is not None
    write_manifest(data, Manifest(recipe={"real": 1}, planned_rooms={"val": 4}, shards=(writer.info,), complete=True))
    save_student(tmp_path / "teacher", student)
    torch.manual_seed(1)
    save_student(tmp_path / "student", new_student(tiny_config()))
    evaluate(
        EvaluateOptions(
            model=tmp_path / "student",
            data=data,
            splits=("val",),
            out=tmp_path / "report",
            questions=16,
            teacher=tmp_path / "teacher",
        ),
        report=lambda _: None,
    )
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["teacher"]["n"] == report["n"] > 0
    assert 0 <= report["teacher"]["accuracy"] <= 1
    assert "retention_interval" in report["teacher"]
    assert report["teacher"]["boxes"]["map25"] is None or np.isnan(report["teacher"]["boxes"]["map25"])
