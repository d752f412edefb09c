"""ScanQA (Azuma et al., CVPR 2022): questions about whole rooms with free answers, https://github.com/ATR-DBI/ScanQA.

``ScanQA_v1.0_val.json`` is a list of objects with ``scene_id``, ``question_id``, ``question`` and ``answers`` (what
several people answered); ``object_ids`` and ``object_names`` are not read.
"""

from __future__ import annotations

from pathlib import Path

from distill3d_ros.system.files import file_sha256
from distill3d_ros.training.evaluation.benchmarks.question import EXACT_MATCH, BenchmarkQuestion, QuestionSet
from distill3d_ros.training.evaluation.benchmarks.records import Record, check_questions, list_of_records, read_json

REMEDY = "take ScanQA_v1.0_val.json from the folder that docs/dataset.md of github.com/ATR-DBI/ScanQA names"
TYPES = (
    ("Place", ("Where",)),
    ("Number", ("How many",)),
    ("Color", ("What color", "What is the color")),
    ("Object nature", ("What shape", "What type", "What kind")),
    ("Object", ("What is",)),
)
"""The set's types, by words in the question; the first that fits (``qclass1`` of its ``scripts/score.py``)."""
OTHER = "Other"


def read_scanqa(path: Path | str) -> QuestionSet:
    """The questions of ``ScanQA_v1.0_val.json`` or ``ScanQA_v1.0_train.json``.

    Raises:
        SourceError: the file is not as published, or is one of the tests', whose answers are not published.
    """
    path = Path(path)
    records = list_of_records(read_json(path, REMEDY), path, REMEDY)
    questions = check_questions(map(_question, records), path, REMEDY)
    return QuestionSet(name="ScanQA", questions=questions, sha256=file_sha256(path))


def question_type(text: str) -> str:
    return next((name for name, words in TYPES if any(w in text for w in words)), OTHER)


def _question(record: Record) -> BenchmarkQuestion:
    text = record.text("question")
    if not record.has("answers"):
        raise record.error("answers", "a list of texts (the test files are published without answers)")
    return BenchmarkQuestion(
        id=record.name_or_number("question_id"),
        scan=record.scan("scene_id"),
        text=text,
        type=question_type(text),
        metric=EXACT_MATCH,
        answers=record.texts("answers"),
    )
