"""Calibration of a student on the validation rooms of one data set or several.

First the classes' thresholds, from projected boxes against what is visible; then, with these in force, the confidences
of the answers, family by family; last the confidence below which a user is better served by "I am not sure".
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.engine.calibration import IDENTITY, Calibration, logit, sigmoid
from distill3d_ros.engine.engine import Engine, packaged_model
from distill3d_ros.questions.ground_truth.question import is_correct
from distill3d_ros.student.checkpoint import CONFIG, read_description
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.shards import ShardReader
from distill3d_ros.training.evaluation.calibrating.calibrate_options import CalibrateOptions
from distill3d_ros.training.evaluation.calibrating.fitting import class_thresholds, fit_confidence, least_confidence
from distill3d_ros.training.evaluation.confidence_calibration import calibration as calibration_error
from distill3d_ros.training.evaluation.detections import with_all_boxes
from distill3d_ros.training.evaluation.question_sets import describe_splits, question_set
from distill3d_ros.training.evaluation.real.marked_things import MarkedThings

SHOWN_IOU = 0.3
"""Of a projected box and the visible part's rectangle, from which what is shown is right: projections of whole boxes
reach farther than what is visible."""
HOW = (
    "thresholds: best F1 of each class, drawn to that of all by 20 things; confidence: slope and offset of the logit "
    "for each family, drawn to the identity by 20 answers; min_confidence: right less wrong answers are most, and "
    "80 % or more are given"
)


@dataclass(slots=True)
class _Answers:
    """Answers to one data set's questions."""

    confidence: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    families: list[str] = field(default_factory=list)

    def weights(self) -> list[float]:
        """Of each answer, so that every data set counts the same."""
        return [1.0 / len(self.right)] * len(self.right)


def calibrate(options: CalibrateOptions, *, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Writes the student with its calibration to ``options.out``, which holds the weights as they are.

    Returns:
        ``calibration``, as it is in ``config.json``, and for each data set the expected calibration error before and
        after.

    Raises:
        ValueError: ``out`` exists, or a data set has no frames of the split, or no object is marked in any.
    """
    source = packaged_model() if options.model is None else Path(options.model)
    out = options.out
    if out.exists():
        raise ValueError(f"out must not exist yet; the student is copied there. Got {out}")
    readers = [_reader(folder, options.split) for folder in options.data]
    engine = Engine.from_pretrained(
        source,
        device=options.device,
        threads=options.threads,
        backend=options.backend,
        execution_provider=options.execution_provider,
    )
    report(engine.describe())
    engine.calibration, engine.min_confidence = IDENTITY, 0.0
    things = MarkedThings(known=engine.labels, iou=SHOWN_IOU)
    for reader in readers:
        _detect(engine, reader, things, options.frames)
        report(f"{reader.folder}: what is shown is measured")
    if not things.things:
        raise ValueError(f"calibrate needs marked objects; the {options.split} frames of these folders have none")
    before = [_ask(engine, reader, options) for reader in readers]
    engine.calibration = Calibration(thresholds=class_thresholds(things.detections, things.things))
    asked = [_ask(engine, reader, options) for reader in readers]
    fitted = fitted_confidences(asked)
    calibrated = [_calibrated(answers, fitted) for answers in asked]
    every = [value for answers in asked for value in answers.weights()]
    least = least_confidence(
        [c for answers in calibrated for c in answers], [r for answers in asked for r in answers.right], every
    )
    found = replace(engine.calibration, confidence=fitted, min_confidence=least)
    errors = [
        {
            "data": reader.folder.name,
            "answers": len(first.right),
            "right_before": _mean(first.right),
            "right_after": _mean(second.right),
            "ece_before": _ece(first.confidence, first.right),
            "ece_after": _ece(confidence, second.right),
            "answered": _mean([c >= least for c in confidence]),
        }
        for reader, first, second, confidence in zip(readers, before, asked, calibrated, strict=True)
    ]
    data = [{"manifest_sha256": manifest_sha256(folder), "split": options.split} for folder in options.data]
    record = found.to_dict() | {"how": HOW, "data": data, "errors": errors}
    save_calibrated(source, out, record)
    for row in errors:
        report(
            f"{row['data']}: right {row['right_before']:.3f} -> {row['right_after']:.3f}, calibration error "
            f"{row['ece_before']:.3f} -> {row['ece_after']:.3f}, answered {row['answered']:.3f}"
        )
    report(f"wrote {out}")
    return record


def fitted_confidences(asked: Sequence[_Answers]) -> dict[str, tuple[float, float]]:
    """Family -> slope and offset, over several data sets that count the same."""
    rows: dict[str, list[tuple[float, bool, float]]] = defaultdict(list)
    for answers in asked:
        for family, *row in zip(answers.families, answers.confidence, answers.right, answers.weights(), strict=True):
            rows[family].append((float(row[0]), bool(row[1]), float(row[2])))
    return {family: fit_confidence(*zip(*members, strict=True)) for family, members in sorted(rows.items())}


def save_calibrated(source: Path, out: Path, record: dict[str, Any]) -> None:
    """Copies a student and puts the calibration into its ``config.json``; the folder appears whole or not at all."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(source, part)
        description = read_description(part) | {"calibration": record}
        (part / CONFIG).write_text(json.dumps(description, indent=1) + "\n")
        Calibration.of_student(part)  # reads it back
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _reader(folder: Path, split: str) -> ShardReader:
    reader = ShardReader(folder, split)
    if not len(reader):
        raise ValueError(f"{folder} has no samples of split {split!r}; it has {describe_splits(folder)}")
    return reader


def _detect(engine: Engine, reader: ShardReader, things: MarkedThings, frames: int) -> None:
    for i in evenly_spaced(len(reader), frames):
        sample = reader[i]
        if sample.scene.annotation.boxes == "none" or not sample.scene.annotation.masks:
            continue
        things.add(with_all_boxes(engine, engine.perceive(sample.frame)), sample.scene, sample.ids, shown=())


def _ask(engine: Engine, reader: ShardReader, options: CalibrateOptions) -> _Answers:
    picked = evenly_spaced(len(reader), options.frames)
    asked = question_set(reader, picked, options.questions, options.seed, known=frozenset(engine.labels))
    answers = _Answers()
    for i, questions in sorted(asked.items()):
        scene = engine.perceive(reader[i].frame)
        for question, answer in zip(questions, engine.ask_many(scene, [q.text for q in questions]), strict=True):
            answers.confidence.append(answer.confidence)
            answers.right.append(is_correct(question, answer))
            answers.families.append(question.family)
    return answers


def _calibrated(answers: _Answers, fitted: dict[str, tuple[float, float]]) -> list[float]:
    pairs = np.array([fitted[family] for family in answers.families]).reshape(-1, 2)
    return [float(c) for c in sigmoid(pairs[:, 0] * logit(np.array(answers.confidence)) + pairs[:, 1])]


def _ece(confidence: Sequence[float], right: Sequence[bool]) -> float:
    return calibration_error(confidence, right).get("ece", float("nan"))


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
