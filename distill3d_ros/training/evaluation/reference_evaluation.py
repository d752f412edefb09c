"""Evaluation of questions about one of several things of a name: "the nearest chair", "the lamp on the desk"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from distill3d_ros.engine.engine import Engine
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.balancing import balanced
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.questions.ground_truth.reference_candidates import reference_candidates
from distill3d_ros.questions.parsing import parse
from distill3d_ros.questions.references import Reference, resolve
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.shards import ShardReader

Asked = tuple[Question, Reference]
_ROWS = ("student", "unreferred", "rules", "rules_on_true_boxes")
"""Who answers: the student; the same, asked without the words that tell which; the rules on its boxes; on true ones."""


def referring_text(question: Question, reference: Reference, rng: np.random.Generator) -> str:
    """The question with the reference in words at the name that it belongs to."""
    mention = next(m for m in question.mentions if m.label == reference.label)
    before, after = reference.words(lambda n: int(rng.integers(n)))
    text = question.text
    return text[: mention.start] + before + text[mention.start : mention.end] + after + text[mention.end :]


def referring_questions(
    reader: ShardReader, picked: Sequence[int], number: int, seed: int
) -> dict[int, list[tuple[str, Asked]]]:
    """Number of the frame -> (text, question and reference); balanced over all frames.

    Left out are texts that do not read back as what they mean ("is the lamp on the desk left of the bed?" has two
    readings).
    """
    rng = np.random.default_rng([seed, 7])
    indexed: list[tuple[tuple[int, Reference], GroundTruthQA]] = []
    for i in picked:
        indexed += [((i, reference), fact) for fact, reference in reference_candidates(reader.scene(i), rng)]
    asked: dict[int, list[tuple[str, Asked]]] = defaultdict(list)
    for (i, reference), fact in balanced(indexed, rng, number):
        question = phrase(fact, rng)
        text = referring_text(question, reference, rng)
        parsed = parse(text)
        if parsed is not None and reference in parsed.references:
            asked[i].append((text, (question, reference)))
    return asked


def by_rules(text: str, scene: Scene) -> Answer:
    """The rules' answer to a question, references resolved on the same boxes."""
    parsed = parse(text)
    if parsed is None or not parsed.references:
        return answer_by_rules(parsed, scene)
    meant = resolve(parsed.references, scene)
    return meant if isinstance(meant, Answer) else answer_by_rules(parsed, meant.scene)


class ReferenceQuestions:
    """The questions with references of a split, and whether each row of the table answered them right."""

    def __init__(self, reader: ShardReader, picked: Sequence[int], *, number: int, seed: int) -> None:
        """Raises ValueError where no frame has two things of one name."""
        self._asked = referring_questions(reader, picked, number, seed)
        self._right: dict[str, list[tuple[bool, ...]]] = defaultdict(list)
        """How a thing is told -> for each question, whether each of ``_ROWS`` was right."""
        if not self._asked:
            raise ValueError(f"split {reader.split!r} has no frame with two things of one name that can be told apart")

    def ask(self, engine: Engine, i: int, scene: Scene, true: Scene) -> None:
        """Asks the questions of frame ``i`` of the reader about what ``engine`` perceived of it."""
        texts = self._asked.get(i, [])
        if not texts:
            return
        with_words = engine.ask_many(scene, [text for text, _ in texts])
        without = engine.ask_many(scene, [question.text for _, (question, _) in texts])
        for (text, (question, reference)), referred, unreferred in zip(texts, with_words, without, strict=True):
            answers = (referred, unreferred, by_rules(text, scene), by_rules(text, true))
            self._right[reference.how].append(tuple(is_correct(question, answer) for answer in answers))

    def figures(self) -> dict[str, Any]:
        """Accuracy with the references, and of the same student on the same questions without them.

        Returns:
            ``n``, the accuracies of ``_ROWS``, and ``ways``: how a thing is told -> the same of those questions.
        """
        every = [row for rows in self._right.values() for row in rows]
        return _accuracies(every) | {"ways": {how: _accuracies(self._right[how]) for how in sorted(self._right)}}


def _accuracies(rows: list[tuple[bool, ...]]) -> dict[str, Any]:
    means = np.mean(rows, axis=0)
    return {"n": len(rows)} | {name: float(mean) for name, mean in zip(_ROWS, means, strict=True)}


def reference_lines(figures: dict[str, Any]) -> list[str]:
    """For the report."""
    lines = [
        "## One of several things of a name",
        "",
        'Questions that tell which thing they mean ("the nearest chair", "the lamp on the desk", "how many cups are on '
        'the table?"), and the same student asked without these words.',
        "",
        "| told by | n | student | without these words | rules on its boxes | rules on true boxes |",
        "|---|---|---|---|---|---|",
    ]
    for how, row in [*figures["ways"].items(), ("**all**", figures)]:
        cells = " | ".join(f"{row[name]:.3f}" for name in _ROWS)
        lines.append(f"| {how.replace('_', ' ')} | {row['n']} | {cells} |")
    return lines
