"""Calibration: what is fitted, what it does to boxes and answers, and that a student keeps it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.nyuv2_file import nyu_folder
from support.random_student import save_random_student
from support.training.tiny_training import data_folder

from distill3d_ros.cli.main import main
from distill3d_ros.engine.box_decoding import RawBoxes
from distill3d_ros.engine.calibration import Calibration, logit, sigmoid
from distill3d_ros.engine.engine import Engine
from distill3d_ros.questions import answer_text
from distill3d_ros.questions.parsing import parse
from distill3d_ros.questions.rules import MIN_SCORE
from distill3d_ros.student.checkpoint import CONFIG, read_description
from distill3d_ros.training.evaluation.calibrating.calibrate import save_calibrated
from distill3d_ros.training.evaluation.calibrating.calibrate_options import CalibrateOptions
from distill3d_ros.training.evaluation.calibrating.fitting import (
    HIGHEST,
    best_threshold,
    class_thresholds,
    fit_confidence,
    least_confidence,
)
from distill3d_ros.training.evaluation.confidence_calibration import calibration as calibration_error


def test_the_threshold_of_a_class_moves_to_the_default_and_keeps_the_order() -> None:
    scores = np.array([[0.05, 0.4], [0.3, 0.6], [1.0, 0.0]], np.float32)
    boxes = RawBoxes(scores=scores, center=np.zeros((3, 3)), size=np.ones((3, 3)), yaw=np.zeros(3))
    found = Calibration(thresholds={"chair": 0.05, "oven": 0.6}).of_boxes(boxes, ("chair", "oven")).scores
    assert found[0, 0] == pytest.approx(MIN_SCORE)
    assert found[1, 1] == pytest.approx(MIN_SCORE)
    assert (np.argsort(found, axis=0) == np.argsort(scores, axis=0)).all()
    assert found[2].tolist() == [1.0, 0.0]
    assert Calibration().of_boxes(boxes, ("chair", "oven")) is boxes


def test_confidences_are_corrected_for_their_family_alone() -> None:
    calibration = Calibration(confidence={"existence": (1.0, -1.0)})
    there, near = parse("Is there a chair?"), parse("Is the chair near the table?")
    yes = answer_text.yes_no(True, confidence=0.8)
    corrected = calibration.of_answer(yes, there)
    assert corrected.confidence == pytest.approx(1 / (1 + np.exp(1 - np.log(4))))
    assert replace(corrected, confidence=0.8) == yes
    assert calibration.of_answer(yes, near) is yes
    not_understood = answer_text.not_understood()
    assert calibration.of_answer(not_understood, None) is not_understood


def test_the_best_threshold_lies_between_hits_and_false_alarms() -> None:
    rows = [(0.9, True), (0.8, True), (0.7, True), (0.4, False), (0.3, False)]
    assert best_threshold(rows, 3) == pytest.approx(0.55)
    assert best_threshold([(0.9, False)], 4) == HIGHEST


def test_a_weak_class_stays_out_and_a_rare_one_takes_after_the_others() -> None:
    common = [(0.6, True)] * 200 + [(0.2, False)] * 200
    weak = [(0.5, False)] * 300
    rare = [(0.9, True)]
    found = class_thresholds({"chair": common, "oven": weak, "bag": rare}, {"chair": 200, "oven": 200, "bag": 1})
    assert 0.2 < found["chair"] < 0.6
    assert found["oven"] > 0.85
    assert found["bag"] == pytest.approx(found["chair"], abs=0.15)


def test_fitted_confidences_are_as_often_right_as_they_say() -> None:
    rng = np.random.default_rng(0)
    said = rng.uniform(0.5, 0.99, 4000)
    true = sigmoid(0.5 * logit(said) - 0.3)  # too sure of itself
    right = rng.random(4000) < true
    slope, offset = fit_confidence(said.tolist(), right.tolist())
    assert (slope, offset) == pytest.approx((0.5, -0.3), abs=0.12)
    corrected = sigmoid(slope * logit(said) + offset)
    assert calibration_error(corrected.tolist(), right.tolist())["ece"] < 0.03
    assert calibration_error(said.tolist(), right.tolist())["ece"] > 0.15


def test_few_answers_change_little_and_the_slope_is_never_negative() -> None:
    slope, offset = fit_confidence([0.9, 0.8], [False, True])
    assert abs(slope - 1) < 0.3
    assert abs(offset) < 0.5
    assert fit_confidence([], []) == (1.0, 0.0)
    surer_and_wrong = fit_confidence([0.95] * 200 + [0.55] * 200, [False] * 200 + [True] * 200)
    assert surer_and_wrong == pytest.approx((0.0, 0.0))


def test_sets_count_the_same_however_many_answers_they_have() -> None:
    right = [True] * 900 + [False] * 90
    even = fit_confidence([0.8] * 990, right, [1 / 900] * 900 + [1 / 90] * 90)
    assert sigmoid(even[0] * logit(np.array(0.8)) + even[1]) == pytest.approx(0.5, abs=0.03)


def test_answers_that_are_rather_wrong_than_right_are_withheld() -> None:
    confidence, right = [0.3] * 10 + [0.9] * 90, [False] * 8 + [True] * 2 + [True] * 90
    assert least_confidence(confidence, right, [1.0] * 100) == pytest.approx(0.6)
    assert least_confidence(confidence, [True] * 100, [1.0] * 100) == 0.0
    mostly_wrong = least_confidence([0.1 * (i % 10) for i in range(100)], [False] * 100, [1.0] * 100)
    assert sum(0.1 * (i % 10) >= mostly_wrong for i in range(100)) >= 80  # no more than a fifth is kept back


def test_a_student_keeps_its_calibration(tmp_path: Path) -> None:
    source = save_random_student(tmp_path / "student")
    record = Calibration(thresholds={"oven": 0.7}, confidence={"size": (0.5, 0.1)}, min_confidence=0.3).to_dict()
    save_calibrated(source, tmp_path / "calibrated", record | {"how": "by hand"})
    engine = Engine.from_pretrained(tmp_path / "calibrated")
    assert engine.calibration == Calibration.from_dict(record)
    assert engine.min_confidence == 0.3
    assert Engine.from_pretrained(source).calibration == Calibration()
    assert read_description(tmp_path / "calibrated")["calibration"]["how"] == "by hand"
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        save_calibrated(source, tmp_path / "broken", record | {"thresholds": {"oven": 1.5}})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["calibrated", "student"]
    damaged = json.loads((tmp_path / "calibrated" / CONFIG).read_text())
    del damaged["calibration"]["confidence"]
    (tmp_path / "calibrated" / CONFIG).write_text(json.dumps(damaged))
    with pytest.raises(ValueError, match="calibration cannot be read"):
        Engine.from_pretrained(tmp_path / "calibrated")


def test_test_rooms_are_not_for_calibration() -> None:
    with pytest.raises(ValueError, match="must not use a test split"):
        CalibrateOptions(data=(Path("rooms"),), out=Path("out"), split="test")


def test_the_command_fits_on_validation_frames_and_writes_the_same_student_with_what_it_found(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real and rendered frames together, through the command line."""
    rooms, frames = data_folder(tmp_path, {"val": 1}), nyu_folder(tmp_path, val_share=0.4)
    line = ["calibrate", "--model", str(folder), "--data", str(rooms), "--data", str(frames), "--questions", "40"]
    assert main([*line, "--out", str(tmp_path / "out")]) == 0
    assert "calibration error" in capsys.readouterr().out
    described = read_description(tmp_path / "out")
    assert described["sha256"] == read_description(folder)["sha256"]
    record = described["calibration"]
    assert [row["data"] for row in record["errors"]] == [rooms.name, frames.name]
    assert all(row["answers"] > 0 for row in record["errors"])
    fitted = Calibration.of_student(tmp_path / "out")
    assert fitted.confidence.keys() == record["confidence"].keys() != set()
    assert Engine.from_pretrained(tmp_path / "out", device="cpu").min_confidence == record["min_confidence"]
    assert main([*line, "--out", str(tmp_path / "out")]) == 2
    assert "must not exist yet" in capsys.readouterr().err
