"""Rephrasing: questions in unusual words are asked in usual ones, and nothing else about them changes."""

from __future__ import annotations

import numpy as np
import pytest

from distill3d_ros.engine.engine import Engine
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.parsing import ParsedQuestion, parse
from distill3d_ros.questions.rephrasing import rephrase_to_training
from distill3d_ros.scene.frame import Frame, Intrinsics


def read(text: str) -> ParsedQuestion:
    asked = parse(text)
    assert asked is not None, text
    return asked


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("does the cup sit atop the table?", "is the cup on the table?"),
        ("Does the CUP sit atop the COUCH?", "is the cup on the couch?"),
        ("tell me which is taller, the lamp or the plant", "which is taller, the lamp or the plant?"),
        ("are the chairs next to the table?", "is the chair near the table?"),
        ("does the cup sit atop the nearest table?", "is the cup on the table?"),
        ("  Is the chair near the table?  ", "Is the chair near the table?"),
        ("IS THERE AN OVEN?", "IS THERE AN OVEN?"),
    ],
)
def test_what_is_asked(typed: str, known: str) -> None:
    assert rephrase_to_training(read(typed)) == known


@pytest.mark.parametrize("kind", KINDS)
def test_every_wording(kind: str) -> None:
    """Training's stay as they are; the others mean the same as before, and are training's then."""
    rng = np.random.default_rng(1)
    slots = KINDS[kind].slots
    for _ in range(40):
        labels = tuple(rng.permutation(["sofa", "sink", "cup", "oven", "trash can"])[:slots].tolist())
        nothing = Answer(text="", value=None)
        fact = GroundTruthQA(kind, labels, object_ids=tuple(range(1, slots + 1)), answer=nothing, group="")
        usual, unusual = (phrase(fact, rng, held_out=held).text for held in (False, True))
        assert rephrase_to_training(read(usual)) == usual
        asked = read(unusual)
        again = read(rephrase_to_training(asked))
        assert again.text != unusual
        assert (again.kind, again.labels) == (asked.kind, asked.labels)
        assert rephrase_to_training(again) == again.text


def test_the_language_model_is_asked_in_known_words(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    answer = engine.student.answer

    def listening(cache: object, texts: list[str]) -> object:
        heard.extend(texts)
        return answer(cache, texts)

    camera = Intrinsics.from_fov(width=64, height=64, horizontal_fov=1.0)
    scene = engine.perceive(Frame(image=np.full((64, 64, 3), 90, np.uint8), intrinsics=camera))
    monkeypatch.setattr(engine.student, "answer", listening)
    typed = "does the cup sit atop the table?"
    engine.ask(scene, typed)
    engine.ask_many(scene, [typed], as_worded=True)
    assert heard == ["is the cup on the table?", typed]
