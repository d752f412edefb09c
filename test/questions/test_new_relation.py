"""A new relation, "diagonal to", is one record in ``kinds.py`` and its phrases in ``phrases.json``, and nothing else.

The test adds both to a copy of the package and asks the relation there, in a process of its own: this file is also the
program that runs in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.scene_samples import random_scene

from distill3d_ros.questions.ground_truth.balancing import balanced
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question import is_correct
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import parse
from distill3d_ros.questions.rephrasing import rephrase_to_training
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.questions.templates import templates
from distill3d_ros.scene.objects import Scene

ROOT = Path(__file__).parents[2]
LABELS = ("chair", "table", "sofa", "lamp", "cup", "door", "bed")

RECORD = """

def _diagonal(relations):
    center = np.array([o.box.center for o in relations.objects]).reshape(-1, 3)
    aside, ahead = (np.abs(center[:, None, axis] - center[None, :, axis]) for axis in (0, 2))
    longer = np.maximum(np.maximum(aside, ahead), 1e-6)
    return (np.minimum(aside, ahead) / longer - 0.55) / 0.15


KINDS["diagonal"] = Kind(
    "orientation",
    "yes_no",
    2,
    symmetric=True,
    score=_diagonal,
    drawn=Drawn("symmetric", 3),
    patterns=(Pattern(r"\\bdiagonal(?:ly)?\\b"),),
    vocabulary="diagonal diagonally",
)
"""
"""What would be an entry of the table."""
PHRASES = {
    "question": "is {0} diagonal to {1}",
    "statement": "{0} is diagonal to {1}",
    "training": ["is {0} (diagonal to|diagonally from) {1}?", "does {0} stand diagonally to {1}?"],
    "held_out": ["are {0} and {1} diagonal to each other?", "is {0} placed diagonally from {1}?"],
}


def scenes() -> list[Scene]:
    return [random_scene(np.random.default_rng(seed), 6, labels=LABELS, meshes=seed % 2 == 0) for seed in range(30)]


def all_but_the_new() -> dict[str, Any]:
    """What is asked, said and understood without the new relation."""
    kinds = [kind for kind in KINDS if kind != "diagonal"]
    own = {kind: [templates(kind, held_out) for held_out in (False, True)] for kind in kinds}
    texts = [t.format("the chair", "the table", "the lamp", **{"0s": "chairs", "0a": "a chair"})
             for both in own.values() for some in both for t in some]  # fmt: skip
    return {
        "templates": repr(own),
        "candidates": [repr(fact) for s in scenes() for fact in question_candidates(s) if fact.kind != "diagonal"],
        "parsed": [repr(parse(text)) for text in texts],
    }


def ask_the_new() -> list[dict[str, Any]]:
    """All the way of a question: candidates, balanced, in words, parsed, answered by the rules, marked."""
    rng = np.random.default_rng(0)
    found = []
    there = dict(enumerate(scenes()))
    for number, fact in balanced([(n, fact) for n, scene in there.items() for fact in question_candidates(scene)], rng):
        if fact.kind != "diagonal":
            continue
        for held_out in (False, True):
            question = phrase(fact, rng, held_out=held_out)
            parsed = parse(question.text)
            assert parsed is not None, question.text
            answer = answer_by_rules(parsed, there[number])
            contrary = replace(answer, value=answer.value is False)
            found.append(
                {
                    "text": question.text,
                    "parsed": (parsed.kind, sorted(parsed.labels) == sorted(fact.labels)),
                    "rephrased": rephrase_to_training(parsed),
                    "truth": fact.answer.value,
                    "answer": answer.value,
                    "correct": is_correct(question, answer),
                    "contrary is wrong": answer.value is None or not is_correct(question, contrary),
                }
            )
    return found


def run_in(package: Path) -> dict[str, Any]:
    paths = os.pathsep.join([str(package), str(ROOT / "test")])
    done = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        cwd=package,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def with_the_new(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the copy says to which one record and its phrases were added."""
    copy = tmp_path_factory.mktemp("package")
    (copy / "distill3d_ros").mkdir()
    shutil.copy(ROOT / "distill3d_ros" / "__init__.py", copy / "distill3d_ros")
    for room in ("scene", "questions"):
        shutil.copytree(ROOT / "distill3d_ros" / room, copy / "distill3d_ros" / room)
    questions = copy / "distill3d_ros" / "questions"
    (questions / "kinds.py").write_text((questions / "kinds.py").read_text() + RECORD)
    phrases = json.loads((questions / "phrases.json").read_text())
    phrases["kinds"]["diagonal"] = PHRASES
    (questions / "phrases.json").write_text(json.dumps(phrases))
    return run_in(copy)


def test_a_new_relation_is_asked_understood_and_answered(with_the_new: dict[str, Any]) -> None:
    asked = with_the_new["new"]
    assert len(asked) > 20
    assert {True, False, None} == {case["truth"] for case in asked}  # None: of what is not there
    truths = [case["truth"] for case in asked]
    assert truths.count(True) == truths.count(False)  # balanced
    for case in asked:
        assert case["parsed"] == ["diagonal", True], case
        assert "diagonal" in case["rephrased"], case
        assert case["answer"] == case["truth"], case
        assert case["correct"], case
        assert case["contrary is wrong"], case
    assert any("diagonally from" in case["text"] for case in asked)


def test_the_other_questions_stay_the_same(with_the_new: dict[str, Any]) -> None:
    assert "diagonal" not in KINDS
    assert parse("is the chair diagonal to the table?") is None
    assert with_the_new["others"] == all_but_the_new()


if __name__ == "__main__":
    print(json.dumps({"new": ask_the_new(), "others": all_but_the_new()}))
