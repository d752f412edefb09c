"""Questions about training scenes: their balance, their choice, and what each name in them refers to."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from distill3d_ros.questions.ground_truth.balancing import ABSENT_SHARE, answer_class, is_absent
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.outputs import NameSpan, QuestionText
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.data.mixture import Folders, open_split
from distill3d_ros.training.data.reading import evenly_spaced

TRIVIAL_SHARE = 0.05
"""Questions whose names give the answer away are kept at this rate at least: people ask them too."""


class Balance:
    """Frequencies of the answers in each group of questions (a kind and its names) of a data set.

    A question is asked with the probability that makes its answer as frequent as the group's other answers.
    """

    def __init__(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        self.counts = counts

    @classmethod
    def of(cls, scenes: Iterable[Scene]) -> Balance:
        """Counts the facts of some scenes; one or two thousand are enough."""
        counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for scene in scenes:
            for fact in question_candidates(scene):
                counts[fact.group][str(answer_class(fact))] += 1
        return cls({group: dict(answers) for group, answers in counts.items()})

    def keep(self, fact: GroundTruthQA) -> float:
        """Probability of asking it."""
        answers = self.counts.get(fact.group)
        if is_absent(fact) or not answers:
            return 1.0
        same = answers.get(str(answer_class(fact)), 0)
        others = max((n for a, n in answers.items() if a != str(answer_class(fact))), default=0)
        return max(TRIVIAL_SHARE, min(1.0, (others + 0.5) / (same + 0.5)))

    def save(self, path: Path) -> None:
        write_whole(path, json.dumps(self.counts, separators=(",", ":")))

    @classmethod
    def load(cls, path: Path) -> Balance:
        return cls(json.loads(path.read_text()))


def choose_questions(
    candidates: Sequence[GroundTruthQA],
    balance: Balance,
    number: int,
    rng: np.random.Generator,
    family_shares: Mapping[str, float] | None = None,
) -> list[GroundTruthQA]:
    """Up to ``number`` facts, even over the families, then over the kinds, answers balanced by ``balance``.

    ``family_shares``: family -> how often it gets its turn, in (0, 1]; always without an entry.
    """
    draws = rng.random(len(candidates))
    absent: list[GroundTruthQA] = []
    by_family: dict[str, dict[str, list[GroundTruthQA]]] = defaultdict(lambda: defaultdict(list))
    for i in rng.permutation(len(candidates)):
        fact = candidates[i]
        if is_absent(fact):
            absent.append(fact)
        elif draws[i] < balance.keep(fact):
            by_family[KINDS[fact.kind].family][fact.kind].append(fact)
    chosen = absent[: int(rng.binomial(number, ABSENT_SHARE))]
    queues = {family: _interleaved(list(kinds.values())) for family, kinds in by_family.items()}
    while len(chosen) < number and queues:
        families = list(queues)
        for f in rng.permutation(len(families)):
            if family_shares and rng.random() >= family_shares.get(families[f], 1.0):
                continue
            queue = queues[families[f]]
            chosen.append(queue.pop())
            if not queue:
                del queues[families[f]]
            if len(chosen) == number:
                break
    return [_shuffled(fact, rng) for fact in chosen]


def _interleaved(lists: Sequence[list[GroundTruthQA]]) -> list[GroundTruthQA]:
    """One of each list, then another of each, ... reversed, to be popped from the end."""
    longest = max(len(x) for x in lists)
    return [x[n] for n in range(longest) for x in lists if n < len(x)][::-1]


def _shuffled(fact: GroundTruthQA, rng: np.random.Generator) -> GroundTruthQA:
    """The two alternatives of a choice in random order."""
    if KINDS[fact.kind].form != "choice" or rng.random() < 0.5:
        return fact
    (a, b), (i, j) = fact.labels[-2:], fact.object_ids[-2:]
    return replace(fact, labels=(*fact.labels[:-2], b, a), object_ids=(*fact.object_ids[:-2], j, i))


def question_text(
    question: Question,
    label_index: Mapping[str, int],
    found: Callable[[int], tuple[int, ...]],
    members: Callable[[str], tuple[int, ...] | None],
) -> QuestionText:
    """A question for the language model, its names linked to the object tokens that are meant.

    Args:
        found: id of a true object -> numbers of its tokens; empty if it was not found.
        members: label -> numbers of the tokens of all its objects; None if some of them were not found.
    """
    names = []
    for m in question.mentions:
        if m.object_id is not None:
            objects: tuple[int, ...] | None = found(m.object_id) or None
        elif is_absent(question.fact):
            objects = ()
        else:
            objects = members(m.label)
        names.append(NameSpan(start=m.start, end=m.end, label=label_index.get(m.label), objects=objects))
    return QuestionText(text=question.text, answer=question.fact.answer.text, names=tuple(names))


def phrase_questions(chosen: Sequence[GroundTruthQA], rng: np.random.Generator) -> list[Question]:
    """The chosen candidates as questions, in wordings that training may use."""
    return [phrase(fact, rng) for fact in chosen]


def sample_questions(scene: Scene, balance: Balance, number: int, rng: np.random.Generator) -> list[Question]:
    """Up to ``number`` questions about a scene, see ``choose_questions``."""
    return phrase_questions(choose_questions(question_candidates(scene), balance, number, rng), rng)


BALANCE_SCENES = 1500
"""Scenes of the training split that a balance is counted on."""


def balance_from_data(data: Folders, out: Path) -> Balance:
    """The balance of the training scenes: counted once, then read from the run's folder."""
    path = out / "balance.json"
    if path.exists():
        return Balance.load(path)
    reader = open_split(data, "train")
    balance = Balance.of(reader.scene(i) for i in evenly_spaced(len(reader), BALANCE_SCENES))
    out.mkdir(parents=True, exist_ok=True)
    balance.save(path)
    return balance
