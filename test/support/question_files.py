"""Small files in the published formats of ScanQA, SQA3D and VSI-Bench, about the scan of ``scannet_scan``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.scannet_scan import SCAN

SCANQA = "ScanQA_v1.0_val.json"
SQA3D = "v1_balanced_questions_test_scannetv2.json"
SQA3D_ANNOTATIONS = "v1_balanced_sqa_annotations_test_scannetv2.json"
VSI_BENCH = "test.jsonl"


def scanqa_records() -> list[dict[str, Any]]:
    rows = [
        ("Where is the brown chair located?", ["in front of table", "next to the table"]),
        ("How many chairs are there?", ["1", "one"]),
        ("Is there a lamp?", ["no"]),
        ("What is left of the table?", ["trash can", "gray trash can"]),
    ]
    return [
        {
            "answers": answers,
            "object_ids": [1],
            "object_names": ["office chair"],
            "question": question,
            "question_id": f"val-scene0003-{number}",
            "scene_id": SCAN,
        }
        for number, (question, answers) in enumerate(rows)
    ]


def sqa3d_records() -> tuple[dict[str, Any], dict[str, Any]]:
    """The content of both files."""
    rows = [
        ("What color is the desk to my right?", "brown"),
        ("Is there a chair?", "yes"),
        ("How many tables are there?", "one"),
    ]
    head = {"info": {"version": "1.0"}, "license": {"name": "CC BY 4.0"}, "data_type": "scannet", "data_subtype": "v2"}
    questions = [
        {
            "scene_id": SCAN,
            "situation": "I am facing a window and there is a desk on my right.",
            "alternative_situation": ["I am looking outside."],
            "question": question,
            "question_id": 220602000000 + number,
        }
        for number, (question, _) in enumerate(rows)
    ]
    annotations = [
        {
            "scene_id": SCAN,
            "question_type": "N/A",
            "answer_type": "other",
            "question_id": 220602000000 + number,
            "answers": [{"answer": answer, "answer_confidence": "yes", "answer_id": 1}],
            "rotation": {"_x": 0, "_y": 0, "_z": 0.6, "_w": 0.8},
            "position": {"x": -0.5, "y": 1.25, "z": 0},
        }
        for number, (_, answer) in enumerate(rows)
    ]
    return {**head, "questions": questions}, {**head, "annotations": annotations[::-1]}


def vsi_bench_records() -> list[dict[str, Any]]:
    closest = "Measuring from the closest point of each object, which of these objects (chair, tv, trash can, lamp) is "
    rows: list[tuple[str, str, str, str, list[str] | None]] = [
        ("scannet", "object_counting", "How many chair(s) are in this room?", "2", None),
        ("scannet", "object_abs_distance", "How far away is the table?", "1.6", None),
        ("scannet", "object_size_estimation", "How tall is the table?", "72", None),
        ("scannet", "room_size_estimation", "What is the size of this room (in square meters)?", "12.0", None),
        (
            "scannet",
            "object_rel_distance",
            f"{closest}the closest to the table?",
            "B",
            ["A. chair", "B. tv", "C. trash can", "D. lamp"],
        ),
        (
            "scannet",
            "object_rel_direction_easy",
            "If I am standing by the table and facing the chair, is the lamp to the left or the right of the chair?",
            "A",
            ["A. left", "B. right"],
        ),
        ("arkitscenes", "object_counting", "How many table(s) are in this room?", "4", None),
        ("scannetpp", "object_counting", "How many bed(s) are in this room?", "3", None),
        ("arkitscenes", "room_size_estimation", "What is the size of this room (in square meters)?", "30.1", None),
    ]
    return [
        {
            "id": number,
            "dataset": dataset,
            "scene_name": SCAN if dataset == "scannet" else "41069025",
            "question_type": kind,
            "question": question,
            "ground_truth": truth,
            "options": options,
            "pruned": False,
        }
        for number, (dataset, kind, question, truth, options) in enumerate(rows)
    ]


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def write_scanqa(folder: Path) -> Path:
    return write_json(folder / SCANQA, scanqa_records())


def write_sqa3d(folder: Path) -> Path:
    questions, annotations = sqa3d_records()
    write_json(folder / SQA3D_ANNOTATIONS, annotations)
    return write_json(folder / SQA3D, questions)


def write_vsi_bench(folder: Path) -> Path:
    path = folder / VSI_BENCH
    path.write_text("".join(json.dumps(record) + "\n" for record in vsi_bench_records()))
    return path
