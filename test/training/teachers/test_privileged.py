"""Training and measuring a student that is told the depth, on a handful of samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.training.tiny_training import six_objects, tiny_config

from distill3d_ros.engine.engine import Engine
from distill3d_ros.student.checkpoint import save_student
from distill3d_ros.student.preprocess import resize_depth
from distill3d_ros.student.student import Student
from distill3d_ros.training.data.shards import ShardReader
from distill3d_ros.training.evaluation.evaluate import evaluate
from distill3d_ros.training.evaluation.evaluation_options import EvaluateOptions
from distill3d_ros.training.stages.make_stage import make_stage
from distill3d_ros.training.start.initial_student import new_student

SPLITS = ("train", "val", "test_known")


@pytest.fixture(scope="module")
def student() -> Student:
    torch.manual_seed(0)
    return new_student(replace(tiny_config(), preset="privileged"))


@pytest.mark.parametrize("kind", ["perception", "joint"])
def test_the_stages_hand_it_the_true_depth(kind: str, student: Student, data: Path, tmp_path: Path) -> None:
    stage = make_stage(replace(tiny_config().stage(kind), lr_scales={}), (data,), tmp_path, student)
    student.zero_grad(set_to_none=True)
    batch = stage.builder()([six_objects("train", n).key for n in range(2)], np.random.default_rng(1))
    losses = stage.losses(student, batch)
    assert "detection_box" in losses
    assert not {"depth", "depth_gradient"} & set(losses)  # there is nothing to learn of it
    torch.stack(list(losses.values())).sum().backward()
    grad = student.get_parameter("depth_head.place.fc2.weight").grad
    assert grad is not None
    assert grad.abs().sum() > 0
    figures = stage.validate(student.eval())
    student.train()
    if kind == "perception":
        assert figures["absrel"] < 1e-4
    else:
        assert 0 <= figures["seen_accuracy"] <= 1


def test_the_engine_takes_the_depth_of_the_frame(student: Student, data: Path) -> None:
    engine = Engine(student, device="cpu")
    engine.warm_up()
    stored = ShardReader(data, "val")[0]
    scene = engine.perceive(stored.frame, min_score=0.0)
    assert stored.frame.depth is not None
    assert np.median(np.abs(np.asarray(scene.depth) - stored.frame.depth)) < 1e-4
    with pytest.raises(ValueError, match=r"frame.depth must be given: student 'privileged'.*Got 1 of 1 frames without"):
        engine.perceive(replace(stored.frame, depth=None))
    with pytest.raises(ValueError, match=r"depth must be \(H, W\) = \(64, 64\) as the image. Got \(3, 4\)"):
        replace(stored.frame, depth=np.ones((3, 4)))


def test_depth_is_resized_without_inventing_any() -> None:
    depth = np.where(np.arange(60) < 31, 1.0, 5.0)[None].repeat(40, 0)
    small = resize_depth(depth, (32, 64))
    assert set(np.unique(small)) == {1.0, 5.0}
    assert np.array_equal(resize_depth(depth, depth.shape), depth.astype(np.float32))


def test_evaluate_tells_it_the_true_depth(student: Student, data: Path, tmp_path: Path) -> None:
    save_student(tmp_path / "teacher", student)
    evaluate(
        EvaluateOptions(model=tmp_path / "teacher", data=data, out=tmp_path / "report", questions=8),
        report=lambda _: None,
    )
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["depth"]["absrel"] < 0.05  # of pixels between the student's and the picture's
    assert "it was told the true depth" in (tmp_path / "report" / "report.md").read_text()
