"""Baselines that answer without looking, which a student must beat."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.answer_text import answer_value
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.evaluation.question_sets import describe_splits, training_facts

Key = tuple[Hashable, ...]

PRIOR_WEIGHT = 8.0
"""So many questions of a group weigh as much as all that is known of the coarser group."""


class MajorityBaseline:
    """The commonest answer to each kind of question; for metres, the median."""

    def __init__(self, training: Iterable[GroundTruthQA]) -> None:
        by_kind: dict[str, list[GroundTruthQA]] = defaultdict(list)
        for fact in training:
            by_kind[fact.kind].append(fact)
        self._answers = {kind: _best(facts) for kind, facts in by_kind.items()}

    def answer(self, fact: GroundTruthQA) -> Answer:
        return _as_answer(self._answers.get(fact.kind))


class QuestionOnlyBaseline:
    """Knows the kind of a question and its names, and how such questions were answered in training; sees nothing.

    The distribution of answers is estimated for the kind with all its names, and backs off to the kind with each single
    name and to the kind alone, as far as the finer group was rare (a Dirichlet prior of weight ``PRIOR_WEIGHT``).
    """

    def __init__(self, training: Iterable[GroundTruthQA]) -> None:
        self._counts: dict[Key, Counter[str]] = defaultdict(Counter)
        self._metres: dict[Key, list[float]] = defaultdict(list)
        for fact in training:
            for key in _keys(fact):
                self._counts[key][_text(fact)] += 1
                if KINDS[fact.kind].form == "metric" and isinstance(fact.answer.value, (int, float)):
                    self._metres[key].append(float(np.log(max(fact.answer.value, 0.02))))

    def answer(self, fact: GroundTruthQA) -> Answer:
        if KINDS[fact.kind].form == "metric":
            return _as_answer(self._median(fact))
        scores: dict[str, float] = {}
        *fine, coarse = _keys(fact)
        prior = _shares(self._counts.get(coarse, Counter()))
        for text, share in prior.items():
            scores[text] = share
        for key in reversed(fine):  # single names first, then all of them together
            counts = self._counts.get(key, Counter())
            n = sum(counts.values())
            scores = {
                text: (counts[text] + PRIOR_WEIGHT * scores.get(text, 0.0)) / (n + PRIOR_WEIGHT)
                for text in set(scores) | set(counts)
            }
        allowed = {t: s for t, s in scores.items() if _possible(t, fact)}
        return _as_answer(max(sorted(allowed), key=lambda t: allowed[t]) if allowed else None)

    def _median(self, fact: GroundTruthQA) -> str | None:
        for key in _keys(fact):
            values = self._metres.get(key, [])
            if len(values) >= 3:
                return f"{np.exp(np.median(values)):.2f} metres"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """The two, learned from the training split of a folder; neither where it has none."""

    folder: Path
    elsewhere: bool
    """Whether it is another folder than the one that is measured."""
    questions: int = 0
    """That they learned from."""
    models: Mapping[str, MajorityBaseline | QuestionOnlyBaseline] = field(default_factory=dict)
    """By their names in a report: ``majority`` and ``question_only``."""

    @classmethod
    def learned(cls, measured: Path, train_data: Path | None, seed: int) -> Baselines:
        """From ``train_data``, or else from the folder that is measured.

        Raises:
            ValueError: ``train_data`` is given and has no training split.
        """
        folder, elsewhere = train_data or measured, train_data is not None
        training = [fact for _, fact in training_facts(folder, seed)]
        if not training and elsewhere:
            raise ValueError(
                f"train_data must be a folder with a training split. {folder} has {describe_splits(folder)}"
            )
        models: dict[str, MajorityBaseline | QuestionOnlyBaseline] = {}
        if training:
            models = {"majority": MajorityBaseline(training), "question_only": QuestionOnlyBaseline(training)}
        return cls(folder=folder, elsewhere=elsewhere, questions=len(training), models=models)

    def describe(self) -> str:
        """Description of their origin, or of the reason for their absence."""
        if not self.models:
            return (
                "the baselines majority and question only are absent: the folder has no training split to learn them "
                "from; --train-data takes them from another folder"
            )
        where = f"the training rooms of {self.folder}, another data set" if self.elsewhere else "the training rooms"
        return f"the baselines majority and question only learned from {self.questions} questions of {where}"

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "questions": self.questions,
            "elsewhere": self.elsewhere,
            "manifest_sha256": manifest_sha256(self.folder) if self.models else None,
            "in_words": self.describe(),
        }


def _keys(fact: GroundTruthQA) -> Iterator[Key]:
    """From fine to coarse; the slot of a name matters, for a choice its alternatives are in order of the question.

    The names of a symmetric kind come in either order in a question. In a fact they stand in the order of the ids,
    which no question tells and which gives answers away: what was put against something has the higher one.
    """
    labels = tuple(sorted(fact.labels)) if KINDS[fact.kind].symmetric else fact.labels
    yield (fact.kind, *labels)
    for slot, label in enumerate(labels):
        yield (fact.kind, slot, label)
    yield (fact.kind,)


def _text(fact: GroundTruthQA) -> str:
    """The answer; of a choice its place among the names, so that "the first" can be learned."""
    value = fact.answer.value
    if KINDS[fact.kind].form == "choice" and value in fact.labels[-2:]:
        return f"#{fact.labels[-2:].index(str(value))}:{value}"
    return fact.answer.text


def _possible(text: str, fact: GroundTruthQA) -> bool:
    if text.startswith("#"):
        place, _, label = text[1:].partition(":")
        return fact.labels[-2:][int(place)] == label
    return KINDS[fact.kind].form != "choice"


def _best(facts: list[GroundTruthQA]) -> str | None:
    if KINDS[facts[0].kind].form == "metric":
        values = [float(f.answer.value) for f in facts if isinstance(f.answer.value, (int, float))]
        return f"{np.median(values):.2f} metres" if values else None
    counts = Counter(f.answer.text for f in facts)
    return max(sorted(counts), key=lambda t: counts[t])


def _shares(counts: Counter[str]) -> dict[str, float]:
    n = max(1, sum(counts.values()))
    return {text: count / n for text, count in counts.items()}


def _as_answer(text: str | None) -> Answer:
    if text is None:
        return Answer(text="", value=None, understood=False, source="baseline")
    text = text.partition(":")[2] if text.startswith("#") else text
    return Answer(text=text, value=answer_value(text), source="baseline")
