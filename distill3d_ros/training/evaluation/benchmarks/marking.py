"""Scores of answers by a set's metric, and their figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from distill3d_ros.questions.answer import Answer
from distill3d_ros.training.evaluation.benchmarks.predictions import prediction
from distill3d_ros.training.evaluation.benchmarks.question import RELATIVE_ACCURACY, BenchmarkQuestion, QuestionSet
from distill3d_ros.training.evaluation.benchmarks.scoring import refined_score, score
from distill3d_ros.training.evaluation.metrics import wilson_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A student's answer and its score."""

    id: str
    scan: str
    type: str
    said: str
    understood: bool
    prediction: str
    """In the set's form; empty for no answer."""
    score: float
    refined: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def mark(question: BenchmarkQuestion, answer: Answer) -> Mark:
    predicted = prediction(question, answer)
    return Mark(
        id=question.id,
        scan=question.scan,
        type=question.type,
        said=answer.text,
        understood=answer.understood,
        prediction=predicted,
        score=score(question, predicted),
        refined=refined_score(question, predicted),
    )


def figures(asked: QuestionSet, marks: Mapping[str, Mark]) -> dict[str, Any]:
    """Scores overall and by type.

    Args:
        marks: id of a question -> its mark, for every question of the set.

    Returns:
        An entry for all questions, and in ``types`` one for each: ``n``; ``score``; ``interval``, 95 % Wilson, where a
        score is 0 or 1; ``refined`` of free answers; ``not_understood`` and ``no_answer``, shares of all questions, the
        second of those that were understood and still not answered in the set's form; ``score_of_answered``;
        ``constant``, the score of the best single answer to all questions of the type, and which that is.
    """
    groups: dict[str, list[BenchmarkQuestion]] = defaultdict(list)
    for question in asked.questions:
        groups[question.type].append(question)
    types: dict[str, dict[str, Any]] = {}
    for kind in sorted(groups):
        constant, constant_score = best_constant(groups[kind])
        types[kind] = _entry(groups[kind], marks) | {"constant": constant_score, "constant_answer": constant}
    whole = _entry(asked.questions, marks) | {"constant": _overall("constant", types, asked.task_of)}
    if asked.task_of:  # a mean over tasks is no share of the questions
        whole |= {"score": _overall("score", types, asked.task_of), "interval": None}
    return {**whole, "types": types}


def best_constant(questions: Sequence[BenchmarkQuestion]) -> tuple[str, float]:
    """The one answer that scores best when it is given to all questions, and its score: what guessing gains at most.

    It is chosen on these very questions, among the accepted answers; of texts and letters it is the commonest.
    """
    numbers = questions[0].metric == RELATIVE_ACCURACY
    counts = Counter(text for question in questions for text in dict.fromkeys(question.answers))
    scores = {
        text: float(np.mean([score(question, text) for question in questions]))
        for text, _ in counts.most_common(None if numbers else 1)
    }
    best = max(scores, key=lambda text: scores[text])
    return best, scores[best]


def _entry(questions: Sequence[BenchmarkQuestion], marks: Mapping[str, Mark]) -> dict[str, Any]:
    own = [marks[question.id] for question in questions]
    n, answered = len(own), [m.score for m in own if m.prediction]
    refined = [m.refined for m in own if m.refined is not None]
    shares = all(question.metric != RELATIVE_ACCURACY for question in questions)
    return {
        "n": n,
        "score": float(np.mean([m.score for m in own])),
        "interval": list(wilson_interval(round(sum(m.score for m in own)), n)) if shares else None,
        "refined": float(np.mean(refined)) if refined else None,
        "not_understood": sum(not m.understood for m in own) / n,
        "no_answer": sum(m.understood and not m.prediction for m in own) / n,
        "score_of_answered": float(np.mean(answered)) if answered else None,
    }


def _overall(name: str, types: Mapping[str, Mapping[str, Any]], task_of: Mapping[str, str]) -> float:
    """The mean of the tasks' figures, or of the questions' where the set has no tasks."""
    if not task_of:
        return float(np.average([t[name] for t in types.values()], weights=[t["n"] for t in types.values()]))
    tasks: dict[str, list[float]] = defaultdict(list)
    for kind, entry in types.items():
        tasks[task_of[kind]].append(entry[name])
    return float(np.mean([np.mean(values) for values in tasks.values()]))
