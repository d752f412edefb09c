"""Questions in words, and whether an answer to one is right.

The whole way: ``question_candidates`` finds what can be asked of a scene, ``balanced`` selects from it so that guessing
does not help, ``phrase`` puts it into words, ``is_correct`` marks an answer. ``parse`` reads a question, and
``answer_by_rules`` answers it.
"""

from __future__ import annotations

from dataclasses import dataclass

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.answer_text import unseen_label
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import Mention
from distill3d_ros.questions.thresholds import THRESHOLDS


@dataclass(frozen=True, slots=True)
class Question:
    """A fact in words."""

    text: str
    kind: str
    family: str
    form: str
    """One of FORMS."""
    mentions: tuple[Mention, ...]
    """In the order of the text."""
    fact: GroundTruthQA
    held_out_wording: bool = False
    """Whether the wording is one of those that training never sees."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names in the order of the kind's slots."""
        return self.fact.labels


def is_correct(asked: GroundTruthQA | Question, answer: Answer) -> bool:
    """Whether an answer is right: yes/no, counts and labels exactly (any of several right labels), metres within a
    share (THRESHOLDS.metres_tolerance), and of something absent only that it is not seen."""
    fact = asked.fact if isinstance(asked, Question) else asked
    truth = fact.answer.value
    if not answer.understood:
        return False
    if truth is None:
        absent = {label for label, i in zip(fact.labels, fact.object_ids, strict=True) if i is None}
        return answer.value is None and unseen_label(answer.text) in absent
    form = KINDS[fact.kind].form
    value = answer.value
    if form == "yes_no":
        return isinstance(value, bool) and value == truth
    if isinstance(value, bool) or value is None:
        return False
    if form == "metric":
        if not isinstance(value, (int, float)) or not isinstance(truth, (int, float)):
            return False
        # Judged as it reads: the text's rounding must not decide.
        return abs(value - truth) <= THRESHOLDS.metres_tolerance * abs(truth) + 1e-6
    return value == truth or (isinstance(value, str) and value in fact.accepted)
