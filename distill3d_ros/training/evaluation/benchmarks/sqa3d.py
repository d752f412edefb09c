"""SQA3D (Ma et al., ICLR 2023): questions of somebody who is somewhere in a scan, https://github.com/SilongYong/SQA3D.

Two files belong together (``assets/dataset.md`` there): ``v1_balanced_questions_test_scannetv2.json`` has in
``questions`` the fields ``scene_id``, ``question_id``, ``situation`` and ``question``;
``v1_balanced_sqa_annotations_test_scannetv2.json`` has in ``annotations`` the fields ``scene_id``, ``question_id``,
``answers`` (the first one's ``answer`` counts), ``position`` (x, y, z) and ``rotation`` (_x, _y, _z, _w).
"""

from __future__ import annotations

from pathlib import Path

from distill3d_ros.system.files import file_sha256
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.evaluation.benchmarks.question import (
    NORMALISED_MATCH,
    AgentPose,
    BenchmarkQuestion,
    QuestionSet,
)
from distill3d_ros.training.evaluation.benchmarks.records import Record, check_questions, read_json

REMEDY = "take both files from sqa_task/balanced of the download that github.com/SilongYong/SQA3D names"
TYPES = ("what", "is", "how", "can", "which")
"""The paper's types, by the question's first letters; everything else is ``OTHER``."""
OTHER = "other"


def read_sqa3d(path: Path | str, annotations: Path | str | None = None) -> QuestionSet:
    """The questions of a file with those of its annotations.

    Args:
        path: ``v1_balanced_questions_test_scannetv2.json``, or another split's.
        annotations: the file with the answers; None takes the one beside ``path`` that has ``sqa_annotations`` in its
            name in place of ``questions``.

    Raises:
        SourceError: a file is not as published, or the two do not belong together.
    """
    path = Path(path)
    other = annotations_beside(path) if annotations is None else Path(annotations)
    questions = Record(read_json(path, REMEDY), str(path), REMEDY).records("questions")
    answers: dict[str, Record] = {}
    for record in Record(read_json(other, REMEDY), str(other), REMEDY).records("annotations"):
        answers[record.name_or_number("question_id")] = record
    found = []
    for record in questions:
        number = record.name_or_number("question_id")
        if number not in answers:
            raise SourceError(f"{other} has no annotation of question {number} of {path}; {REMEDY}")
        found.append(_question(record, answers[number]))
    return QuestionSet(name="SQA3D", questions=check_questions(found, path, REMEDY), sha256=file_sha256(path))


def annotations_beside(questions: Path) -> Path:
    """
    Raises:
        SourceError: the name has no "questions" in it.
    """
    if "questions" not in questions.name:
        raise SourceError(f"{questions} has no 'questions' in its name; name the annotations with --annotations")
    return questions.with_name(questions.name.replace("questions", "sqa_annotations"))


def question_type(text: str) -> str:
    start = text.lstrip().lower()
    return next((name for name in TYPES if start.startswith(name)), OTHER)


def _question(record: Record, annotation: Record) -> BenchmarkQuestion:
    scan, text = record.scan("scene_id"), record.text("question")
    if annotation.text("scene_id") != scan:
        raise annotation.error("scene_id", f"that of the same question in the other file, {scan}")
    position, rotation = annotation.record("position"), annotation.record("rotation")
    x, y, z = (position.number(name) for name in ("x", "y", "z"))
    qx, qy, qz, qw = (rotation.number(name) for name in ("_x", "_y", "_z", "_w"))
    return BenchmarkQuestion(
        id=record.name_or_number("question_id"),
        scan=scan,
        text=text,
        type=question_type(text),
        metric=NORMALISED_MATCH,
        answers=(annotation.records("answers")[0].text("answer"),),
        situation=record.text("situation"),
        pose=AgentPose((x, y, z), (qx, qy, qz, qw)),
    )
