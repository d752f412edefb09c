"""Question sets of an evaluation: those asked in test rooms, and those that the baselines learn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from distill3d_ros.questions.answer_text import NOTHING
from distill3d_ros.questions.ground_truth.balancing import balanced
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.training.data.mixture import Reader
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.shards import ShardReader

TEST_SPLITS = ("test_known", "test_unseen", "test")
TRAINING_SCENES = 3000
"""Training scenes from which the baselines learn how questions are answered."""
TRAINING_QUESTIONS = 40_000


def training_facts(
    data: Path, seed: int, *, scenes: int = TRAINING_SCENES, number: int = TRAINING_QUESTIONS
) -> list[tuple[str, GroundTruthQA]]:
    """(key of the sample, fact) of training scenes, drawn and balanced as those of the test: what guessing can be
    learned from. At most ``number`` facts of at most ``scenes`` scenes; none where there is no training split."""
    reader = ShardReader(data, "train")
    if not len(reader):
        return []
    return balanced(_facts_of(reader, evenly_spaced(len(reader), scenes)), np.random.default_rng([seed, 1]), number)


def has_objects(reader: Reader, picked: Sequence[int]) -> bool:
    """Whether any of these frames has an object. Data sets for measuring depth have none, and nothing true could be
    said about what their pictures show."""
    return any(reader.scene(i).objects for i in picked)


def question_set(
    reader: Reader, picked: Sequence[int], number: int, seed: int, *, known: Collection[str] | None = None
) -> dict[int, list[Question]]:
    """Number of the frame -> its questions; balanced over all frames.

    ``known``: classes of the student that is asked; what names another, or is answered by one, is left out. None leaves
    nothing out.
    """
    rng = np.random.default_rng([seed, 2])
    asked: dict[int, list[Question]] = defaultdict(list)
    facts = _facts_of(reader, picked)
    if known is not None:
        facts = [(key, fact) for key, fact in facts if is_about(fact, known)]
    for key, fact in balanced(facts, rng, number):
        asked[reader.index_of(key)].append(phrase(fact, rng))
    return asked


def is_about(fact: GroundTruthQA, known: Collection[str]) -> bool:
    """Whether a student that knows these classes can know the answer."""
    value = fact.answer.value
    return {*fact.labels} <= {*known} and (not isinstance(value, str) or value in known or value == NOTHING)


def chosen_splits(data: Path, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The splits to measure on: those wanted, or else the test splits that have samples.

    Raises:
        ValueError: a wanted split is unknown or has no samples, or none is wanted and there is no test split.
    """
    if wanted:
        for split in wanted:
            if not len(ShardReader(data, split)):
                raise ValueError(f"{data} has no samples of split {split!r}; it has {describe_splits(data)}")
        return tuple(dict.fromkeys(wanted))
    found = tuple(split for split in TEST_SPLITS if len(ShardReader(data, split)))
    if not found:
        raise ValueError(
            f"{data} has no samples of {' or '.join(TEST_SPLITS)}; name another split with --splits, it has "
            f"{describe_splits(data)}"
        )
    return found


def describe_splits(data: Path) -> str:
    """ "384 frames of val, 1152 of train"."""
    manifest = ShardReader(data, "train").manifest
    counts = [(manifest.frames(split), split) for split in manifest.planned_rooms]
    return ", ".join(f"{n} frames of {split}" for n, split in counts if n) or "none at all"


def _facts_of(reader: Reader, picked: Sequence[int]) -> list[tuple[str, GroundTruthQA]]:
    return [(reader.keys[i], fact) for i in picked for fact in question_candidates(reader.scene(i))]
