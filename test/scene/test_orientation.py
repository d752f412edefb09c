"""Quarter turns of pictures, cameras and scenes."""

from __future__ import annotations

import numpy as np
import pytest

from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.geometry import image_rectangle, level_rotation, project, unproject
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.scene.orientation import (
    quarter_turns_to_upright,
    turn_frame,
    turn_intrinsics,
    turn_scene_back,
    turned_from_optical,
)

CAMERA = Intrinsics(fx=50.0, fy=60.0, cx=30.0, cy=20.0, width=64, height=48)
UPS = {0: (0.0, -1.0, 0.0), 1: (1.0, 0.0, 0.0), 2: (0.0, 1.0, 0.0), 3: (-1.0, 0.0, 0.0)}


@pytest.mark.parametrize(("turns", "up"), UPS.items())
@pytest.mark.parametrize("roll", [-40, 0, 40])
def test_the_nearest_quarter_turn_makes_it_upright(turns: int, up: tuple[float, float, float], roll: int) -> None:
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    rolled = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ up
    assert quarter_turns_to_upright(rolled) == turns
    turned = turned_from_optical(turns) @ rolled
    assert turned[1] < -0.7, "up is towards the upper edge of the turned picture"


def test_a_camera_that_looks_straight_down_or_without_tf_is_left_as_it_is() -> None:
    assert quarter_turns_to_upright(np.array([0.2, 0.1, -0.97])) == 0
    assert quarter_turns_to_upright(None) == 0


@pytest.mark.parametrize("turns", range(4))
def test_a_turned_frame_shows_the_same_points(turns: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (48, 64, 3), np.uint8)
    depth = rng.uniform(1, 5, (48, 64))
    pose = np.eye(4)
    pose[:3, 3] = 1.0, 2.0, 3.0
    frame = Frame(
        image=image, intrinsics=CAMERA, up=np.array(UPS[turns]), depth=depth, world_from_camera=pose, stamp_ns=7
    )
    turned = turn_frame(frame, turns)
    np.testing.assert_allclose(turned.up, [0, -1, 0])
    assert (turned.stamp_ns, turned.intrinsics.width) == (7, (64, 48)[turns % 2])

    def points(f: Frame) -> np.ndarray:
        """(N, 7) world points with their colours and depth, in a fixed order."""
        world = unproject(f.depth, f.intrinsics).reshape(-1, 3) @ f.world_from_camera[:3, :3].T + pose[:3, 3]
        rows = np.column_stack([f.depth.reshape(-1, 1), world, f.image.reshape(-1, 3)])
        return rows[np.argsort(rows[:, 0])]

    np.testing.assert_allclose(points(turned), points(frame), atol=1e-5)
    assert turn_intrinsics(turned.intrinsics, -turns) == CAMERA


@pytest.mark.parametrize("turns", range(4))
def test_a_scene_is_turned_back_to_the_picture_as_it_came(turns: int) -> None:
    camera = turn_intrinsics(CAMERA, turns)
    level = level_rotation(np.array([0.1, -0.9, -0.3]) / np.linalg.norm([0.1, -0.9, -0.3]))
    box = Box3D(center=np.array([0.3, 0.1, 3.0]), size=np.array([0.4, 0.6, 0.5]), yaw=0.3)
    thing = SceneObject(id=1, label="chair", box=box, image_box=image_rectangle(box, level, camera))
    depth = np.random.default_rng(0).uniform(1, 5, (camera.height, camera.width)).astype(np.float32)
    seen = Scene(
        objects=(thing,),
        intrinsics=camera,
        level_from_optical=level,
        depth=depth,
        depth_confidence=depth / 9,
        stamp_ns=3,
    )
    back = turn_scene_back(seen, turns)
    assert (back.intrinsics, back.stamp_ns, back.depth.shape) == (CAMERA, 3, (48, 64))
    assert back.by_id(1).box is box, "the level frame is the same"
    expected = image_rectangle(box, back.level_from_optical, CAMERA)
    np.testing.assert_allclose(back.by_id(1).image_box, expected, atol=1e-6)
    np.testing.assert_array_equal(np.rot90(back.depth, turns), depth)
    np.testing.assert_array_equal(np.rot90(back.depth_confidence, turns), depth / 9)
    middle = box.center @ back.level_from_optical
    (uv,), _ = project(middle[None], CAMERA)
    left, top, right, bottom = back.by_id(1).image_box
    assert left < uv[0] < right
    assert top < uv[1] < bottom
