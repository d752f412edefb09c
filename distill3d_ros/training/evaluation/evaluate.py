"""Evaluation of a student on rooms that it never saw: answers against geometry, beside those of baselines."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.engine.engine import Engine
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.scene.frame import Frame
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardReader
from distill3d_ros.training.evaluation.baselines import Baselines
from distill3d_ros.training.evaluation.detections import with_all_boxes
from distill3d_ros.training.evaluation.evaluation_options import EvaluateOptions
from distill3d_ros.training.evaluation.lenses import lens_figures
from distill3d_ros.training.evaluation.metrics import depth_score
from distill3d_ros.training.evaluation.question_sets import chosen_splits, has_objects, question_set
from distill3d_ros.training.evaluation.real.real_tally import RealTally
from distill3d_ros.training.evaluation.reference_evaluation import ReferenceQuestions
from distill3d_ros.training.evaluation.report import write_report
from distill3d_ros.training.evaluation.several_views import view_figures
from distill3d_ros.training.evaluation.tallies import PerceptionTally, QuestionTally, figures, latency, outcomes
from distill3d_ros.training.evaluation.teacher_comparison import (
    TeacherComparison,
    TeacherTally,
    teacher_description,
    teacher_figures,
)
from distill3d_ros.worlds.furniture.pack import FurniturePack

HELD_OUT_SHARE = 0.25
"""So many questions are asked again in wordings that training never used."""


def evaluate(options: EvaluateOptions, *, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Measures a student and writes ``report.md`` and ``report.json``; returns the latter's content.

    ``lenses``, ``several_views``, ``reference_evaluation`` and ``teacher_comparison`` say what they measure.

    Raises:
        ValueError: a folder lacks a split or cannot be read.
        ImportError: a library of the text metrics is missing, which a comparison with a teacher needs.
    """
    began = time.monotonic()
    data, out, seed = Path(options.data), Path(options.out), options.seed
    splits = chosen_splits(data, options.splits)
    engine = Engine.from_pretrained(
        options.model,
        device=options.device,
        threads=options.threads,
        backend=options.backend,
        execution_provider=options.execution_provider,
    )
    report(engine.describe())
    engine.min_confidence = 0.0  # every answer is marked; what keeping some back is worth stands in "abstention"
    engine.warm_up()
    comparison = None
    if options.teacher is not None:
        teacher = Engine.from_pretrained(options.teacher, device=options.device, threads=options.threads)
        comparison = TeacherComparison(teacher)
        report(f"teacher: {comparison.engine.describe()}")
        comparison.engine.warm_up()
    baselines = Baselines.learned(data, None if options.train_data is None else Path(options.train_data), seed)
    report(baselines.describe())
    evaluation = _Evaluation(engine=engine, baselines=baselines, comparison=comparison, options=options, report=report)
    total = _Tally()
    result: dict[str, Any] = {"splits": {}}
    for split in splits:
        reader = ShardReader(data, split)
        tally, referring = evaluation.measure(reader)
        part = figures(tally.questions, tally.perception) | {"outcomes": outcomes(tally.questions)}
        if tally.real is not None:
            part["real"] = tally.real.figures()
        if comparison is not None:
            part["teacher"] = teacher_figures(tally.teacher, seed=seed)
        if options.views:
            part["several_views"] = view_figures(engine, reader, scenes=options.views)
        if referring is not None:
            part["references"] = referring.figures()
        result["splits"][split] = part
        total.extend(tally)
    result = {**figures(total.questions, total.perception), **result}
    if comparison is not None:
        described = teacher_description(comparison.engine, total.teacher, latency(total.perception))
        result["teacher"] = teacher_figures(total.teacher, seed=seed) | described
    if options.lenses:
        report(f"the same views through several lenses, in {options.lenses} rooms")
        result["lenses"] = lens_figures(engine, FurniturePack.load(), rooms=options.lenses, seed=seed)
    result |= {
        "latency_ms": latency(total.perception),
        "device": engine.device_name,
        "depth_given": engine.takes_depth,
        "model_sha256": engine.model_sha256,
        "manifest_sha256": manifest_sha256(data),
        "recipe": dict(reader.manifest.recipe),
        "camera_height": options.camera_height,
        "baselines": baselines.to_dict(),
        "seed": seed,
        "command": shlex.join(["distill3d", *sys.argv[1:]]),
        "seconds": round(time.monotonic() - began, 1),
    }
    write_report(result, out)
    report(f"report written to {out / 'report.md'}")
    return result


@dataclass(slots=True)
class _Tally:
    """The tallies of a split, or of all."""

    questions: QuestionTally = field(default_factory=QuestionTally)
    perception: PerceptionTally = field(default_factory=PerceptionTally)
    teacher: TeacherTally = field(default_factory=TeacherTally)
    real: RealTally | None = None
    """None without real frames."""

    def extend(self, other: _Tally) -> None:
        self.questions.extend(other.questions)
        self.perception.extend(other.perception)
        self.teacher.extend(other.teacher)


@dataclass(kw_only=True, slots=True)
class _Evaluation:
    """The evaluation of each split. Each frame is perceived once."""

    engine: Engine
    baselines: Baselines
    comparison: TeacherComparison | None
    options: EvaluateOptions
    report: Callable[[str], None]

    def measure(self, reader: ShardReader) -> tuple[_Tally, ReferenceQuestions | None]:
        """Perceives the frames of a split and asks its questions; the second is None without questions of the kind."""
        picked = evenly_spaced(len(reader), self.options.frames)
        asked = self._questions(reader, picked)
        referring = None
        if self.options.references:
            referring = ReferenceQuestions(reader, picked, number=self.options.references, seed=self.options.seed)
        rng = np.random.default_rng([self.options.seed, 3])
        tally = _Tally()
        before: Scene | None = None
        known_heights = 0
        for count, i in enumerate(picked, start=1):
            sample = reader[i]
            if self.options.camera_height:
                sample = replace(sample, frame=with_camera_height(sample.frame))
                known_heights += sample.frame.camera_height is not None
            scene = self._perceive(sample, tally.perception)
            if sample.scene.annotation.depth == "measured":
                tally.real = tally.real or RealTally.of(self.engine)
                tally.real.add(self.engine, sample, scene)
            answers: list[Answer] = []
            if asked.get(i):
                answers = self._ask(asked[i], sample, scene, before, tally, rng)
            if self.comparison is not None:
                self.comparison.ask(sample, asked.get(i, []), answers, tally.teacher)
            if referring is not None:
                referring.ask(self.engine, i, scene, sample.scene)
            before = scene
            if count % 100 == 0 or count == len(picked):
                done = tally.questions.right["language"]
                right = f", right so far {np.mean(done):.3f}" if done else ""
                self.report(f"{reader.split}: {count}/{len(picked)} frames{right}")
        if self.options.camera_height:
            self.report(f"{reader.split}: the height of the camera is known in {known_heights} of {len(picked)} frames")
            if not known_heights:
                raise ValueError(
                    "--camera-height needs frames whose pose is known, as those of simulated rooms and of ScanNet are, "
                    "and of `data import rgbd --floor` where the floor is in sight; leave it out for these data"
                )
        return tally, referring

    def _questions(self, reader: ShardReader, picked: Sequence[int]) -> dict[int, list[Question]]:
        """Number of the frame -> its questions."""
        if not has_objects(reader, picked):
            self.report(
                f"{reader.split}: no objects are marked in its frames, so only depth is measured, on {len(picked)}"
            )
            return {}
        known = frozenset(self.engine.labels)
        asked = question_set(reader, picked, self.options.questions, self.options.seed, known=known)
        number = sum(map(len, asked.values()))
        self.report(f"{reader.split}: {number} questions about {len(asked)} of {len(picked)} frames")
        return asked

    def _perceive(self, sample: Sample, tally: PerceptionTally) -> Scene:
        """Depth and boxes of one frame."""
        t0 = time.perf_counter()
        scene = self.engine.perceive(sample.frame)
        tally.perceive_ms.append(1e3 * (time.perf_counter() - t0))
        predicted, true = np.asarray(scene.depth), np.asarray(sample.scene.depth)
        tally.depth.append(depth_score(predicted, true))
        tally.scaled.append(depth_score(predicted, true, median_scaled=True))
        if sample.scene.annotation.boxes == "amodal":
            tally.found.append(with_all_boxes(self.engine, scene))
            tally.true.append(replace(sample.scene, depth=None))
        return scene

    def _ask(
        self,
        asked: Sequence[Question],
        sample: Sample,
        scene: Scene,
        other: Scene | None,
        tally: _Tally,
        rng: np.random.Generator,
    ) -> list[Answer]:
        """Asks a frame's questions and grades the answers of every row; returns the student's.

        Args:
            other: the scene that the row *wrong image* is asked about; None takes ``scene``.
        """
        true_boxes = replace(sample.scene, contacts=None, gaps=None, supports=None)
        rows = {
            "rules": [answer_by_rules(q, scene) for q in asked],
            **{name: [model.answer(q.fact) for q in asked] for name, model in self.baselines.models.items()},
            "rules_on_true_boxes": [answer_by_rules(q, true_boxes) for q in asked],
        }
        answers = _grade(self.engine, asked, scene, other, rows, tally.questions, rng)
        tally.questions.frames += [sample.key] * len(answers)
        t0 = time.perf_counter()
        self.engine.ask(scene, asked[0].text)
        tally.perception.ask_ms.append(1e3 * (time.perf_counter() - t0))
        return answers


def _grade(
    engine: Engine,
    asked: Sequence[Question],
    scene: Scene,
    other: Scene | None,
    rows: dict[str, list[Answer]],
    tally: QuestionTally,
    rng: np.random.Generator,
) -> list[Answer]:
    """The student's answers, graded together with the given ``rows``."""
    answers = engine.ask_many(scene, [q.text for q in asked])
    elsewhere = answers if other is None else engine.ask_many(other, [q.text for q in asked])
    again = [(n, phrase(q.fact, rng, held_out=True)) for n, q in enumerate(asked) if rng.random() < HELD_OUT_SHARE]
    rephrased, as_worded = (
        engine.ask_many(scene, [q.text for _, q in again], as_worded=literally) for literally in (False, True)
    )
    for n, question in enumerate(asked):
        tally.questions.append(question)
        tally.right["language"].append(is_correct(question, answers[n]))
        tally.right["wrong_image"].append(is_correct(question, elsewhere[n]))
        tally.confidence.append(answers[n].confidence)
        tally.by_language += answers[n].source == "language"
        for row, row_answers in rows.items():
            tally.right[row].append(is_correct(question, row_answers[n]))
    for (n, question), answer, literal in zip(again, rephrased, as_worded, strict=True):
        tally.held_out.append(is_correct(question, answer))
        tally.held_out_as_worded.append(is_correct(question, literal))
        tally.same_facts.append(is_correct(asked[n], answers[n]))
    return answers


def with_camera_height(frame: Frame) -> Frame:
    """The frame with the height of its camera above the floor, which is z = 0 in a data set's rooms, if it has a pose.

    Raises:
        ValueError: its pose is below the floor.
    """
    if frame.world_from_camera is None:
        return frame
    return replace(frame, camera_height=float(frame.world_from_camera[2, 3]))
