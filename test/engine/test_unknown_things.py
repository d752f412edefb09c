"""Questions about things that a student never learned."""

from __future__ import annotations

import numpy as np
import pytest
from support.student_fixtures import small_student

from distill3d_ros.engine.engine import Engine
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.labels import SIMULATED_LABELS


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(small_student(labels=SIMULATED_LABELS))


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Is there a pillow?", "pillows"),
        ("How many people do you see?", "people"),
        ("Which is closer, the chair or the books?", "books"),
        ("How far away is the chair next to the mirror?", "mirrors"),
    ],
)
def test_a_thing_that_the_student_never_learned_is_not_absent(engine: Engine, question: str, name: str) -> None:
    camera = Intrinsics.from_fov(width=96, height=64, horizontal_fov=1.1)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    perceived = engine.perceive(Frame(image=image, intrinsics=camera), min_score=0.0)
    known, answer = engine.ask_many(perceived, ["Is there a lamp?", question])
    assert isinstance(known.value, bool)
    assert answer.text == f"I do not know {name}. I know chairs, armchairs, stools, sofas and more."
    assert (answer.value, answer.understood, answer.confidence) == (None, False, 0.0)
