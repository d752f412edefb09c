"""The description of a scene, and the questions that ask for one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.scene_samples import FLOOR, box, random_scene, scene_of, thing

from distill3d_ros.questions.description import asks_for_description, describe, statements
from distill3d_ros.questions.parsing import ParsedQuestion, parse
from distill3d_ros.questions.rules import answer_by_rules


@pytest.mark.parametrize(
    "text",
    [
        *("What do you see?", "what can you see right now", "Describe the room.", "Please describe the scene"),
        *("What's in the room?", "what is there?", "Tell me what you see", "list all things you see", "look around"),
        *("Could you describe what you see?", "Name the objects", "what is around you?"),
    ],
)
def test_descriptions_are_asked_for(text: str) -> None:
    assert parse(text) is None
    assert asks_for_description(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "list", "describe", "what is on the table?", "do you see a chair?", "describe your feelings"),
        *("what do you see on the table?", "is there a chair in the room?", "what is the meaning of life?"),
    ],
)
def test_other_texts_do_not_ask_for_one(text: str) -> None:
    assert not asks_for_description(text)


def test_a_room_in_words() -> None:
    scene = scene_of(
        thing(1, "bed", box(-1.8, FLOOR - 0.3, 3.0, (1.6, 0.6, 2.0))),
        thing(2, "table", box(1.2, FLOOR - 0.4, 2.5, (1.0, 0.8, 0.6))),
        thing(3, "lamp", box(1.2, FLOOR - 0.95, 2.5, (0.2, 0.3, 0.2))),
        thing(4, "chair", box(0.0, FLOOR - 0.4, 2.0)),
        thing(5, "chair", box(0.0, FLOOR - 0.4, 4.0)),
        thing(6, "sofa", box(0.0, FLOOR - 0.4, 5.0), score=0.1),
    )
    answer = describe(scene)
    assert answer.text == (
        "I see a bed, a table, a lamp and two chairs. The bed is 2.3 metres away, on the left. "
        "The table is 2.3 metres away, on the right. The lamp is 2.6 metres away, on the right. "
        "The lamp is on the table."
    )
    assert set(answer.object_ids) == {1, 2, 3, 4, 5}
    assert (answer.understood, answer.source, answer.value) == (True, "geometry", None)
    unscaled = describe(replace(scene, is_metric=False)).text
    assert "metres" not in unscaled
    assert "The bed is on the left." in unscaled
    assert describe(scene_of()).text == "I see nothing that I know."


def test_every_sentence_is_what_the_rules_say() -> None:
    told = 0
    for seed in range(20):
        scene = random_scene(np.random.default_rng(seed), 8)
        for s in statements(scene):
            answer = answer_by_rules(ParsedQuestion(s.text, s.kind, s.labels, ()), scene)
            assert answer.value == (pytest.approx(s.value, abs=2e-3) if s.kind == "distance_to" else s.value), s
            assert set(answer.object_ids) == set(s.object_ids)
            told += 1
    assert told > 40
