"""Where a second camera stands, told from two rendered pictures and the first one's true depth."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.simple_rooms import simple_camera, simple_room

from distill3d_ros.engine.registration import first_from_second
from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.worlds.materials import Surface
from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.render_view import frame_of


def moved(metres: float, degrees: float) -> FloatArray:
    """(4, 4) a step to the left and a turn to the right."""
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.0, np.radians(degrees), 0.0]))[0]
    pose[0, 3] = -metres
    return pose


@pytest.fixture(scope="module")
def pictures() -> dict[tuple[float, float], tuple[Frame, FloatArray]]:
    """(step, turn) -> what the camera sees from there, and its depth."""
    room = simple_room()
    for i, part in enumerate(room.surfaces):  # walls that can be recognised
        coarse = np.random.default_rng(i).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC)
        room.surfaces[part] = Surface(kind="plain", image=image, tile=1.7, gloss=0.0)
    camera = simple_camera(width=480, height=360)
    renderer = make_renderer(threads=0)
    renderer.set_room(room)
    seen = {}
    for step, turn in ((0.0, 0.0), (0.25, 5.0), (0.6, 25.0), (0.0, 170.0)):
        placed = replace(camera, world_from_optical=np.asarray(camera.world_from_optical) @ moved(step, turn))
        picture = renderer.render(placed)
        seen[step, turn] = frame_of(picture, placed), np.asarray(picture.depth, np.float32)
    renderer.close()
    return seen


@pytest.mark.parametrize("motion", [(0.25, 5.0), (0.6, 25.0)])
def test_a_motion_is_found(pictures, motion: tuple[float, float]) -> None:
    (first, depth), (second, _) = pictures[0.0, 0.0], pictures[motion]
    pose = first_from_second(first, depth, second)
    assert pose is not None
    np.testing.assert_allclose(pose, moved(*motion), atol=0.01)
    np.testing.assert_array_equal(pose, first_from_second(first, depth, second))


def test_twice_the_depth_is_twice_the_motion(pictures) -> None:
    (first, depth), (second, _) = pictures[0.0, 0.0], pictures[0.25, 5.0]
    pose = first_from_second(first, 2 * depth, second)
    assert pose is not None
    assert pose[0, 3] == pytest.approx(-0.5, abs=0.02)


def test_views_that_do_not_overlap_are_not_guessed_at(pictures) -> None:
    (first, depth), (behind, _) = pictures[0.0, 0.0], pictures[0.0, 170.0]
    assert first_from_second(first, depth, behind) is None
    blank = replace(first, image=np.full_like(first.image, 128))
    assert first_from_second(first, depth, blank) is None
    assert first_from_second(first, np.zeros_like(depth), pictures[0.25, 5.0][0]) is None


def test_depth_of_another_size_is_refused(pictures) -> None:
    first, depth = pictures[0.0, 0.0]
    with pytest.raises(ValueError, match=r"depth must be \(360, 480\) as the first image is. Got \(100, 480\)"):
        first_from_second(first, depth[:100], first)
