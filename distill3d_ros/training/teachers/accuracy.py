"""Accuracy of a teacher against geometry, measured before it answers for training."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.mixture import Folders, Reader, open_split
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.evaluation.grading import parse_answer
from distill3d_ros.training.inputs.question_sampling import Balance, sample_questions
from distill3d_ros.training.teachers.perception_accuracy import describe_perception, measure_perception
from distill3d_ros.training.teachers.teacher import Teacher

Counts = dict[str, dict[str, int]]


def questions_about(scene: Scene, key: str, balance: Balance, *, number: int, seed: int) -> list[Question]:
    """The questions about a sample: the same at every call, whatever is asked about other samples."""
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    return sample_questions(scene, balance, number, rng)


def measure_accuracy(
    teacher: Teacher, reader: Reader, balance: Balance, *, split: str, samples: int, seed: int = 0
) -> dict[str, Any]:
    """Accuracy of the teacher: ``split``, ``samples``, ``overall`` and ``families``, each (right, asked)."""
    counts: Counts = defaultdict(lambda: {"right": 0, "asked": 0})
    picked = evenly_spaced(len(reader), samples)
    for i in picked:
        sample: Sample = reader[i]
        asked = questions_about(sample.scene, reader.keys[i], balance, number=16, seed=seed)
        answers = teacher.answer(sample, [q.text for q in asked]) if asked else []
        for question, answer in zip(asked, answers, strict=True):
            for row in (question.family, "overall"):
                counts[row]["asked"] += 1
                counts[row]["right"] += is_correct(question, parse_answer(answer.text))
    overall = counts.pop("overall", {"right": 0, "asked": 0})
    return {"split": split, "samples": len(picked), "overall": overall, "families": dict(sorted(counts.items()))}


def describe_accuracy(accuracy: Mapping[str, Any]) -> str:
    """ "0.88 right in 1600 questions about 100 samples of val: contact 0.91 (120), ..."."""
    if "depth" in accuracy:
        return describe_perception(accuracy)
    overall, families = accuracy["overall"], accuracy["families"]
    if not overall["asked"]:
        return "not measured: no questions could be asked"
    each = ", ".join(f"{name} {c['right'] / c['asked']:.2f} ({c['asked']})" for name, c in families.items())
    return (
        f"{overall['right'] / overall['asked']:.3f} right in {overall['asked']} questions about "
        f"{accuracy['samples']} samples of {accuracy['split']}: {each}"
    )


def measure_first(
    teacher: Teacher,
    data: Folders,
    reader: Reader,
    balance: Balance,
    seed: int,
    samples: int,
    report: Callable[[str], None],
    *,
    min_score: float,
) -> dict[str, Any]:
    """``measure_accuracy``, or ``measure_perception`` of a teacher that answers nothing, on validation samples, or on
    those that are taught where there are none."""
    split, validation = "val", open_split(data, "val")
    if not len(validation):
        split, validation = "the samples taught", reader
    report(f"{teacher.name}: measuring its own accuracy on {min(samples, len(validation))} samples first")
    if not teacher.answers_questions:
        return measure_perception(teacher, validation, split=split, samples=samples, min_score=min_score)
    return measure_accuracy(teacher, validation, balance, split=split, samples=samples, seed=seed)
