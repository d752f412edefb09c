"""Comparison of a student with its teacher: the same questions about the same frames, in one run, on one device."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from distill3d_ros.engine.engine import Engine
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.questions.kind_record import FAMILIES, FORMS
from distill3d_ros.questions.thresholds import THRESHOLDS
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.evaluation import text_metrics
from distill3d_ros.training.evaluation.detections import with_all_boxes
from distill3d_ros.training.evaluation.intervals import ratio_interval
from distill3d_ros.training.evaluation.metrics import box_score, wilson_interval


@dataclass(slots=True)
class TeacherTally:
    """Answers of student and teacher, question by question, and what the teacher perceived, frame by frame.

    Boxes are noted of frames alone in which whole boxes are known.
    """

    questions: list[Question] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    """Key of the frame that each question is about."""
    student: list[Answer] = field(default_factory=list)
    teacher: list[Answer] = field(default_factory=list)
    found: list[Scene] = field(default_factory=list)
    true: list[Scene] = field(default_factory=list)
    perceive_ms: list[float] = field(default_factory=list)
    ask_ms: list[float] = field(default_factory=list)

    def extend(self, other: TeacherTally) -> None:
        for f in fields(self):
            getattr(self, f.name).extend(getattr(other, f.name))


class TeacherComparison:
    """A teacher of the student's family, asked what the student is asked."""

    def __init__(self, engine: Engine) -> None:
        text_metrics.libraries()
        self.engine = engine

    def ask(self, sample: Sample, asked: Sequence[Question], answers: Sequence[Answer], tally: TeacherTally) -> None:
        """Shows the teacher a frame, asks the questions that the student gave ``answers`` to, and notes both."""
        t0 = time.perf_counter()
        scene = self.engine.perceive(sample.frame)  # which carries the true depth, for a teacher that is told it
        tally.perceive_ms.append(1e3 * (time.perf_counter() - t0))
        if sample.scene.annotation.boxes == "amodal":  # nothing else says how large things are
            tally.found.append(with_all_boxes(self.engine, scene))
            tally.true.append(replace(sample.scene, depth=None))
        if not asked:
            return
        tally.questions += asked
        tally.frames += [f"{sample.split}/{sample.key}"] * len(asked)
        tally.student += answers
        tally.teacher += self.engine.ask_many(scene, [q.text for q in asked])
        t0 = time.perf_counter()
        self.engine.ask(scene, asked[0].text)
        tally.ask_ms.append(1e3 * (time.perf_counter() - t0))


def teacher_figures(tally: TeacherTally, *, seed: int) -> dict[str, Any]:
    """Accuracy of the teacher, what of it the student keeps, and how alike they speak.

    Returns:
        ``n``, ``accuracy`` and ``interval`` (Wilson) of the teacher, ``student`` (its accuracy), ``retention`` (student
        / teacher) and ``retention_interval`` (paired bootstrap over frames), ``agreement`` and who alone was right;
        the same by ``families`` and ``forms``; ``text`` and ``boxes``.
    """
    everything = range(len(tally.questions))
    right = {
        name: [is_correct(q, a) for q, a in zip(tally.questions, answers, strict=True)]
        for name, answers in (("student", tally.student), ("teacher", tally.teacher))
    }
    alike = [agree(q, a, b) for q, a, b in zip(tally.questions, tally.student, tally.teacher, strict=True)]

    def entry(members: Sequence[int]) -> dict[str, Any]:
        student, teacher = ([right[name][i] for i in members] for name in ("student", "teacher"))
        n, hits = len(members), sum(teacher)
        interval = ratio_interval(student, teacher, [tally.frames[i] for i in members], seed=seed)
        return {
            "n": n,
            "accuracy": hits / n if n else math.nan,
            "interval": list(wilson_interval(hits, n)),
            "student": sum(student) / n if n else math.nan,
            "retention": sum(student) / hits if hits else math.nan,
            "retention_interval": list(interval),
            "agreement": sum(alike[i] for i in members) / n if n else math.nan,
            "only_teacher_right": sum(t and not s for s, t in zip(student, teacher, strict=True)),
            "only_student_right": sum(s and not t for s, t in zip(student, teacher, strict=True)),
        }

    result = entry(everything)
    for name, values in (("families", FAMILIES), ("forms", FORMS)):
        of = [q.family if name == "families" else q.form for q in tally.questions]
        groups = {value: [i for i in everything if of[i] == value] for value in values}
        result[name] = {value: entry(members) for value, members in groups.items() if members}
    boxes = box_score(tally.found, tally.true)
    return result | {
        "text": text_metrics.text_scores([a.text for a in tally.student], [a.text for a in tally.teacher]),
        "boxes": {"map25": boxes.mean(0.25), "map50": boxes.mean(0.5)},
    }


def agree(question: Question, a: Answer, b: Answer) -> bool:
    """Whether two answers say the same: metres within the tolerance of a right answer, everything else exactly."""
    if a.understood != b.understood or (a.value is None) != (b.value is None):
        return False
    if a.value is None or b.value is None:
        return a.text == b.text
    if question.form == "metric" and isinstance(a.value, (int, float)) and isinstance(b.value, (int, float)):
        return abs(a.value - b.value) <= THRESHOLDS.metres_tolerance * abs(b.value) + 1e-6
    return bool(a.value == b.value)


def teacher_description(engine: Engine, tally: TeacherTally, student_ms: Mapping[str, float]) -> dict[str, Any]:
    """The teacher, and the latency of both: medians over the frames, in milliseconds, and teacher / student."""
    ms = {
        name: float(np.median(values)) if values else math.nan
        for name, values in (("perceive", tally.perceive_ms), ("ask", tally.ask_ms))
    }
    return {
        "in_words": engine.describe(),
        "model_sha256": engine.model_sha256,
        "parameters": engine.runtime.parameters,
        "latency_ms": ms,
        "latency_ratio": {name: ms[name] / student_ms[name] for name in ms},
    }
