"""VSI-Bench (Yang et al., CVPR 2025): questions about videos of rooms, https://huggingface.co/datasets/nyu-visionx/VSI-Bench.

Each line of ``test.jsonl`` is an object with ``id``, ``dataset`` (scannet, scannetpp or arkitscenes), ``scene_name``,
``question_type``, ``question``, ``ground_truth`` and ``options``, which is null where the answer is a number.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from distill3d_ros.system.files import file_sha256
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.evaluation.benchmarks.question import (
    CHOICE,
    RELATIVE_ACCURACY,
    BenchmarkQuestion,
    QuestionSet,
)
from distill3d_ros.training.evaluation.benchmarks.records import Record, check_questions, read_json_lines

REMEDY = "take test.jsonl from huggingface.co/datasets/nyu-visionx/VSI-Bench"
SCANNET = "scannet"
DIRECTIONS = ("object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard")
CHOICE_TYPES = (*DIRECTIONS, "object_rel_distance", "route_planning", "obj_appearance_order")
NUMERIC_TYPES = ("object_abs_distance", "object_counting", "object_size_estimation", "room_size_estimation")
UNITS_A_METRE = {"object_abs_distance": 1.0, "object_size_estimation": 100.0}
"""Numeric types that ask for a length -> their unit: metres, centimetres. A room's size is asked in square metres."""
TASK_OF = {t: t for t in (*CHOICE_TYPES, *NUMERIC_TYPES)} | dict.fromkeys(DIRECTIONS, "object_rel_direction")
_OPTION = re.compile(r"([A-Z])\.\s*(\S.*)", re.DOTALL)


def read_vsi_bench(path: Path | str) -> QuestionSet:
    """The questions of ``test.jsonl`` about scans of ScanNet; ``skipped`` counts those of the other data sets.

    Raises:
        SourceError: the file is not as published.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        raise SourceError(f"{path} is a parquet file, which is not read; {REMEDY}, which holds the same questions")
    records = read_json_lines(path, REMEDY)
    datasets = [record.text("dataset") for record in records]
    questions = [_question(record) for record, name in zip(records, datasets, strict=True) if name == SCANNET]
    others = Counter(name for name in datasets if name != SCANNET)
    return QuestionSet(
        name="VSI-Bench",
        questions=check_questions(questions, path, REMEDY),
        skipped={f"about {name}, whose videos are not read": count for name, count in sorted(others.items())},
        task_of=TASK_OF,
        sha256=file_sha256(path),
    )


def _question(record: Record) -> BenchmarkQuestion:
    kind, truth = record.text("question_type"), record.name_or_number("ground_truth")
    if kind not in TASK_OF:
        raise record.error("question_type", f"one of {', '.join(TASK_OF)}")
    options: dict[str, str] = {}
    if kind in CHOICE_TYPES:
        options = _options(record)
        if truth not in options:
            raise record.error("ground_truth", f"the letter of an option, {', '.join(options)}")
    elif not _is_positive(truth):
        raise record.error("ground_truth", "a number above 0")
    return BenchmarkQuestion(
        id=record.name_or_number("id"),
        scan=record.scan("scene_name"),
        text=record.text("question"),
        type=kind,
        metric=CHOICE if kind in CHOICE_TYPES else RELATIVE_ACCURACY,
        answers=(truth,),
        options=options,
    )


def _options(record: Record) -> dict[str, str]:
    found = [_OPTION.fullmatch(text) for text in record.texts("options")]
    options = {match[1]: match[2].strip() for match in found if match}
    if len(options) != len(found):
        raise record.error("options", 'a list of options with a letter each, as "A. chair"')
    return options


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False
