"""Pictures of a camera on its side or upside down, and pictures that are none."""

from __future__ import annotations

import time

import numpy as np
import pytest

from distill3d_ros.engine.engine import Engine
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.orientation import turn_frame

CAMERA = Intrinsics.from_fov(width=160, height=120, horizontal_fov=1.1)
UP = np.array([0.0, -np.cos(0.2), -np.sin(0.2)])


def upright() -> Frame:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    return Frame(image=image, intrinsics=CAMERA, up=UP)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_rolled_camera_sees_what_an_upright_one_sees(engine: Engine, turns: int) -> None:
    expected = engine.perceive(upright(), min_score=0.0)
    rolled = turn_frame(upright(), -turns)
    seen = engine.perceive(rolled, min_score=0.0)
    assert seen.intrinsics == rolled.intrinsics
    np.testing.assert_allclose(seen.depth, np.rot90(expected.depth, -turns), rtol=1e-4)
    np.testing.assert_allclose(seen.level_from_optical @ rolled.up, [0, -1, 0], atol=1e-6)
    assert [o.label for o in seen.objects] == [o.label for o in expected.objects]
    for a, b in zip(seen.objects, expected.objects, strict=True):
        np.testing.assert_allclose(a.box.center, b.box.center, atol=1e-3)
    question = f"How far away is the {expected.objects[0].label}?"
    assert engine.ask(seen, question).text == engine.ask(expected, question).text
    again = engine.objects(seen, min_score=0.0)
    np.testing.assert_allclose(again[0].image_box, seen.objects[0].image_box, atol=1.0)


def test_without_an_up_vector_the_turns_can_be_told(engine: Engine) -> None:
    told = engine.perceive(turn_frame(Frame(image=upright().image, intrinsics=CAMERA), 2), quarter_turns=2)
    plain = engine.perceive(Frame(image=upright().image, intrinsics=CAMERA))
    np.testing.assert_allclose(told.depth, np.rot90(plain.depth, 2), rtol=1e-4)


@pytest.mark.parametrize(("width", "height"), [(10_000, 1), (1, 1_000_000), (1_000_000, 1), (900, 5), (5, 800)])
def test_what_is_no_picture_is_refused_before_anything_is_resized(engine: Engine, width: int, height: int) -> None:
    camera = Intrinsics(fx=100.0, fy=100.0, cx=width / 2, cy=height / 2, width=width, height=height)
    started = time.process_time()
    with pytest.raises(ValueError, match=rf"image must .* Got {width}x{height}"):
        engine.perceive(Frame(image=np.zeros((height, width, 3), np.uint8), intrinsics=camera))
    assert time.process_time() - started < 0.2
