"""Choice of the demo's questions: all families in turn, kinds and truths in balance, nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import numpy as np

from distill3d_ros.questions.ground_truth.balancing import answer_class, is_absent
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.scene.objects import Scene

ONE_ABSENT_IN = 10
"""At most one question in so many is about something that is not there (existence and counting apart)."""


class QuestionPlan:
    """Chooses the next question to ask about a scene whose truth is known."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._asked: set[str] = set()
        self._families: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._truths: Counter[tuple[str, Hashable]] = Counter()
        self._absent = 0

    def choose(self, scene: Scene) -> Question | None:
        """The question that keeps what was asked in balance; None when nothing new can be asked here."""
        candidates = [fact for fact in question_candidates(scene) if fact.group not in self._asked]
        if not candidates:
            return None
        best = min(candidates, key=self._preference)
        return phrase(best, self._rng)

    def count(self, question: Question, truth: GroundTruthQA) -> None:
        """``question`` was answered; ``truth`` is the fact at the moment that the answer is about."""
        self._asked.add(question.fact.group)
        self._families[question.family] += 1
        self._kinds[question.kind] += 1
        self._truths[question.family, answer_class(truth)] += 1
        self._absent += is_absent(truth)

    def skip(self, question: Question) -> None:
        """``question`` had no clear answer any more when it was answered; do not try it again here."""
        self._asked.add(question.fact.group)

    def new_room(self) -> None:
        """Allows the questions of earlier rooms again."""
        self._asked.clear()

    def _preference(self, fact: GroundTruthQA) -> tuple[bool, int, int, int, float]:
        family = KINDS[fact.kind].family
        # Counter.total() is Python 3.11's.
        too_many = is_absent(fact) and self._absent * ONE_ABSENT_IN >= sum(self._families.values())
        given = self._truths[family, answer_class(fact)]
        return too_many, self._families[family], self._kinds[fact.kind], given, float(self._rng.random())


def same_fact(asked: GroundTruthQA, scene: Scene) -> GroundTruthQA | None:
    """The fact of ``scene`` that answers the question after ``asked``; None if it has no clear answer there."""
    wanted = _key(asked)
    return next((fact for fact in question_candidates(scene) if _key(fact) == wanted), None)


def _key(fact: GroundTruthQA) -> tuple[str, tuple[str, ...]]:
    """The same for facts that the same question asks for: the order of equal names does not matter."""
    kind = KINDS[fact.kind]
    labels = fact.labels
    if kind.symmetric:
        labels = tuple(sorted(labels))
    elif kind.form == "choice":  # the alternatives come last
        labels = (*labels[:-2], *sorted(labels[-2:]))
    return fact.kind, labels
