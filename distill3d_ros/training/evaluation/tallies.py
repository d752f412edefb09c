"""Running tallies of an evaluation, and their figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.evaluation.confidence_calibration import abstention, calibration
from distill3d_ros.training.evaluation.metrics import BoxScore, DepthScore, box_score, mean_depth_score
from distill3d_ros.training.evaluation.report import accuracy_table

ROWS = ("language", "rules", "majority", "question_only", "wrong_image", "rules_on_true_boxes")
"""Who answers: the student; the geometric rules on its boxes; the commonest answer of the kind; who knows the question
alone; the student looking at another picture; the rules on the true boxes (what boxes can tell at best)."""


@dataclass(slots=True)
class QuestionTally:
    """Every question of a split and whether each row of the table answered it right."""

    questions: list[Question] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    """Key of the sample that each question is about."""
    right: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    held_out: list[bool] = field(default_factory=list)
    """The answers to some facts in wordings that training never used, which the engine puts into known ones."""
    held_out_as_worded: list[bool] = field(default_factory=list)
    """The same, where the language model reads these wordings itself."""
    same_facts: list[bool] = field(default_factory=list)
    """The student on the facts of ``held_out``, in wordings that training used."""
    confidence: list[float] = field(default_factory=list)
    by_language: int = 0

    def extend(self, other: QuestionTally) -> None:
        self.questions += other.questions
        self.frames += other.frames
        for row, values in other.right.items():
            self.right[row] += values
        self.held_out += other.held_out
        self.held_out_as_worded += other.held_out_as_worded
        self.same_facts += other.same_facts
        self.confidence += other.confidence
        self.by_language += other.by_language


@dataclass(slots=True)
class PerceptionTally:
    """Running scores of the perception of a split."""

    depth: list[DepthScore | None] = field(default_factory=list)
    scaled: list[DepthScore | None] = field(default_factory=list)
    found: list[Scene] = field(default_factory=list)
    true: list[Scene] = field(default_factory=list)
    perceive_ms: list[float] = field(default_factory=list)
    ask_ms: list[float] = field(default_factory=list)

    def extend(self, other: PerceptionTally) -> None:
        for name in ("depth", "scaled", "found", "true", "perceive_ms", "ask_ms"):
            getattr(self, name).extend(getattr(other, name))

    def figures(self) -> dict[str, Any]:
        boxes: BoxScore = box_score(self.found, self.true)
        raw, scaled = mean_depth_score(self.depth), mean_depth_score(self.scaled)
        depth = {} if raw is None or scaled is None else raw.to_dict() | {"median_scaled": scaled.to_dict()}
        return {
            "frames": len(self.depth),
            "depth": depth,
            "boxes": {
                "map25": boxes.mean(0.25),
                "map50": boxes.mean(0.5),
                "objects": sum(boxes.n_true.values()),
                "ap25": dict(boxes.average_precision[0.25]),
            },
        }


def figures(questions: QuestionTally, perception: PerceptionTally) -> dict[str, Any]:
    """The numbers of a split, or of all of them together."""
    table = accuracy_table(questions.questions, questions.right, ROWS)
    n = len(questions.questions)
    return {
        "questions": n,
        **table,
        "held_out_wordings": {
            "n": len(questions.held_out),
            "accuracy": _mean(questions.held_out),
            "as_worded": _mean(questions.held_out_as_worded),
            "same_facts_in_known_wordings": _mean(questions.same_facts),
        },
        "calibration": calibration(questions.confidence, questions.right["language"]),
        "abstention": abstention(questions.confidence, questions.right["language"]),
        "answered_by_language_model": questions.by_language / max(1, n),
        **perception.figures(),
    }


def outcomes(questions: QuestionTally) -> dict[str, str]:
    """Key of each frame -> a 1 or a 0 for each of its questions in turn: whether the student was right.

    Two students that were asked the same can be compared question by question.
    """
    found: dict[str, str] = defaultdict(str)
    for key, right in zip(questions.frames, questions.right["language"], strict=True):
        found[key] += "1" if right else "0"
    return dict(found)


def latency(perception: PerceptionTally) -> dict[str, float]:
    """Medians over the frames, milliseconds."""
    return {
        "perceive": float(np.median(perception.perceive_ms)) if perception.perceive_ms else float("nan"),
        "ask": float(np.median(perception.ask_ms)) if perception.ask_ms else float("nan"),
    }


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
