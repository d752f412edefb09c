"""Readers of published question sets: what the files say is what comes out, and what is not as published is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.question_files import (
    SQA3D_ANNOTATIONS,
    scanqa_records,
    sqa3d_records,
    vsi_bench_records,
    write_json,
    write_scanqa,
    write_sqa3d,
    write_vsi_bench,
)
from support.scannet_scan import SCAN

from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.evaluation.benchmarks.benchmark import read_questions
from distill3d_ros.training.evaluation.benchmarks.scanqa import read_scanqa
from distill3d_ros.training.evaluation.benchmarks.sqa3d import question_type, read_sqa3d
from distill3d_ros.training.evaluation.benchmarks.vsi_bench import read_vsi_bench


def test_scanqa(tmp_path: Path):
    found = read_scanqa(write_scanqa(tmp_path))
    assert (found.name, dict(found.skipped), len(found.questions)) == ("ScanQA", {}, 4)
    assert [q.type for q in found.questions] == ["Place", "Number", "Other", "Object"]
    first = found.questions[0]
    assert (first.id, first.scan, first.text) == ("val-scene0003-0", SCAN, "Where is the brown chair located?")
    assert first.answers == ("in front of table", "next to the table")
    assert (first.metric, first.situation, first.pose) == ("exact_match", "", None)


def test_sqa3d_joins_its_two_files_by_question(tmp_path: Path):
    found = read_sqa3d(write_sqa3d(tmp_path))
    assert [(q.id, q.answers, q.type) for q in found.questions] == [
        ("220602000000", ("brown",), "what"),
        ("220602000001", ("yes",), "is"),
        ("220602000002", ("one",), "how"),
    ]
    first = found.questions[0]
    assert first.situation == "I am facing a window and there is a desk on my right."
    assert first.pose is not None
    assert (first.pose.position, first.pose.rotation) == ((-0.5, 1.25, 0.0), (0.0, 0.0, 0.6, 0.8))
    assert first.metric == "normalised_match"


def test_sqa3d_annotations_may_lie_elsewhere(tmp_path: Path):
    questions = write_sqa3d(tmp_path)
    moved = (tmp_path / SQA3D_ANNOTATIONS).rename(tmp_path / "answers.json")
    assert len(read_questions("sqa3d", questions, moved).questions) == 3
    with pytest.raises(SourceError, match=r"sqa_annotations_test_scannetv2\.json is no file; take both files"):
        read_sqa3d(questions)
    with pytest.raises(SourceError, match="name the annotations with --annotations"):
        read_sqa3d(questions.rename(tmp_path / "q.json"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [("Which way?", "which"), (" Can I see it?", "can"), ("Are there lamps?", "other"), ("What?", "what")],
)
def test_sqa3d_type_is_the_first_word(text: str, kind: str):
    assert question_type(text) == kind


def test_vsi_bench_keeps_scannet_and_counts_the_rest(tmp_path: Path):
    found = read_vsi_bench(write_vsi_bench(tmp_path))
    assert [q.id for q in found.questions] == ["0", "1", "2", "3", "4", "5"]
    assert dict(found.skipped) == {
        "about arkitscenes, whose videos are not read": 2,
        "about scannetpp, whose videos are not read": 1,
    }
    count, choice = found.questions[0], found.questions[4]
    assert (count.metric, count.answers, count.options) == ("mean_relative_accuracy", ("2",), {})
    assert (choice.metric, choice.answers) == ("choice", ("B",))
    assert choice.options == {"A": "chair", "B": "tv", "C": "trash can", "D": "lamp"}
    assert found.task_of["object_rel_direction_hard"] == "object_rel_direction"


def test_vsi_bench_numbers_may_be_numbers(tmp_path: Path):
    record = vsi_bench_records()[1] | {"ground_truth": 1.6}
    (tmp_path / "test.jsonl").write_text(json.dumps(record) + "\n\n")
    assert read_vsi_bench(tmp_path / "test.jsonl").questions[0].answers == ("1.6",)


def damaged(records: list[dict[str, Any]], number: int, **changes: Any) -> list[dict[str, Any]]:
    """Changes to None remove the field."""
    records[number] = {k: v for k, v in (records[number] | changes).items() if not (k in changes and v is None)}
    return records


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"questions": []}, r"val\.json must be a list of questions. Got {\"questions\": \[\]}; take ScanQA_v1"),
        ([], "has no question about a scan"),
        ([7], r"record 0 must be an object {\.\.\.}. Got 7"),
        (damaged(scanqa_records(), 2, scene_id=None), "record 2: 'scene_id' must be a text. Got no such field; take"),
        (damaged(scanqa_records(), 1, scene_id="room_1"), "record 1: 'scene_id' must be the name of a scan of ScanNet"),
        (damaged(scanqa_records(), 0, question=" "), "record 0: 'question' must be a text. Got \" \""),
        (damaged(scanqa_records(), 3, answers=None), "'answers' must be .*test files are published without answers"),
        (damaged(scanqa_records(), 3, answers="one"), "record 3: 'answers' must be a list of texts, at least one. Got"),
        (damaged(scanqa_records(), 3, answers=[1]), r"at least one. Got \[1\]"),
        (damaged(scanqa_records(), 3, question_id="val-scene0003-0"), "has question val-scene0003-0 twice"),
        (damaged(scanqa_records(), 3, question_id=True), "'question_id' must be a text or a number. Got true"),
    ],
)
def test_scanqa_not_as_published(tmp_path: Path, content: Any, message: str):
    with pytest.raises(SourceError, match=message):
        read_scanqa(write_json(tmp_path / "val.json", content))


def test_what_is_no_json_is_named(tmp_path: Path):
    (tmp_path / "a.json").write_text("[{]")
    with pytest.raises(SourceError, match=r"a\.json is no JSON \(.*line 1 column 3.*\); take ScanQA_v1"):
        read_scanqa(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"PAR1\xff\xfe")
    with pytest.raises(SourceError, match=r"a\.json is no text"):
        read_scanqa(tmp_path / "a.json")
    with pytest.raises(SourceError, match=r"b\.json is no file; take ScanQA_v1"):
        read_scanqa(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("name", "number", "changes", "message"),
    [
        ("questions", 1, {"situation": None}, r"questions 1: 'situation' must be a text. Got no such field; take both"),
        ("questions", 1, {"question_id": 5}, r"annotations_test_scannetv2\.json has no annotation of question 5 of"),
        ("annotations", 0, {"scene_id": "scene0004_00"}, f"that of the same question in the other file, {SCAN}"),
        ("annotations", 0, {"answers": []}, r"annotations 0: 'answers' must be a list of objects .*Got \[\]"),
        ("annotations", 0, {"answers": [{"answer": 3}]}, "annotations 0, answers 0: 'answer' must be a text. Got 3"),
        ("annotations", 1, {"position": {"x": 0, "y": "1", "z": 0}}, "position: 'y' must be a number. Got \"1\""),
        ("annotations", 2, {"rotation": [0, 0, 0, 1]}, r"'rotation' must be an object {\.\.\.}. Got \[0, 0, 0, 1\]"),
    ],
)
def test_sqa3d_not_as_published(tmp_path: Path, name: str, number: int, changes: dict[str, Any], message: str):
    questions, annotations = sqa3d_records()
    damaged((questions | annotations)[name], number, **changes)
    path = write_sqa3d(tmp_path)
    write_json(path, questions)
    write_json(tmp_path / SQA3D_ANNOTATIONS, annotations)
    with pytest.raises(SourceError, match=message):
        read_sqa3d(path)


@pytest.mark.parametrize(
    ("number", "changes", "message"),
    [
        (0, {"question_type": "object_color"}, "line 1: 'question_type' must be one of object_rel_direction_easy, "),
        (0, {"ground_truth": "two"}, "line 1: 'ground_truth' must be a number above 0. Got \"two\"; take test.jsonl"),
        (0, {"ground_truth": 0}, "must be a number above 0. Got 0"),
        (0, {"ground_truth": None}, "'ground_truth' must be a text or a number. Got no such field"),
        (4, {"ground_truth": "E"}, "line 5: 'ground_truth' must be the letter of an option, A, B, C, D. Got \"E\""),
        (4, {"options": None}, "'options' must be a list of texts, at least one. Got no such field"),
        (4, {"options": ["chair", "B. tv"]}, "'options' must be a list of options with a letter each"),
        (4, {"options": ["B. chair", "B. tv"]}, "'options' must be a list of options with a letter each"),
        (6, {"dataset": None}, "line 7: 'dataset' must be a text. Got no such field"),
    ],
)
def test_vsi_bench_not_as_published(tmp_path: Path, number: int, changes: dict[str, Any], message: str):
    records = damaged(vsi_bench_records(), number, **changes)
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    with pytest.raises(SourceError, match=message):
        read_vsi_bench(tmp_path / "test.jsonl")


def test_vsi_bench_as_parquet_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match=r"is a parquet file, which is not read; take test\.jsonl from hugging"):
        read_vsi_bench(tmp_path / "test-00000-of-00001.parquet")


def test_names_of_sets(tmp_path: Path):
    with pytest.raises(ValueError, match=r"must be scanqa, sqa3d or vsi-bench\. Got 'vqa'"):
        read_questions("vqa", tmp_path)
    with pytest.raises(ValueError, match="annotations are a file of sqa3d; scanqa has its answers"):
        read_questions("scanqa", write_scanqa(tmp_path), tmp_path)
