"""Accuracy of a student's answers in the validation of a stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.student.outputs import Prefix
from distill3d_ros.student.student import Student
from distill3d_ros.training.evaluation.grading import parse_answer


class AnswerAccuracy:
    """Share of right answers, overall and by family."""

    def __init__(self) -> None:
        self._correct: dict[str, list[bool]] = defaultdict(list)

    def ask(self, student: Student, prefix: Prefix, questions: Sequence[Question]) -> None:
        """Counts the answers to questions about one scene."""
        with torch.inference_mode():
            answers = student.answer(student.cache(prefix), [q.text for q in questions])
        for question, answer in zip(questions, answers, strict=True):
            self._correct[question.family].append(is_correct(question, parse_answer(answer.text)))

    def figures(self, prefix: str) -> dict[str, float]:
        """``<prefix>_accuracy`` and ``<prefix>_<family>``."""
        every = [c for family in self._correct.values() for c in family]
        figures = {f"{prefix}_{family}": float(np.mean(c)) for family, c in sorted(self._correct.items())}
        return {f"{prefix}_accuracy": float(np.mean(every)) if every else float("nan"), **figures}
