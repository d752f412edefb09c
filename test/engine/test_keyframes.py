"""Which earlier frames are looked at together with the newest."""

from __future__ import annotations

import math

import numpy as np

from distill3d_ros.engine.keyframes import Keyframes
from distill3d_ros.scene.frame import Frame, Intrinsics


def frame(second: float, x: float = 0.0, *, yaw: float = 0.0, width: int = 8, known: bool = True) -> Frame:
    """A camera on the x axis that looks along y, turned by ``yaw`` degrees."""
    pose = np.eye(4)
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    pose[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    pose[0, 3] = x
    return Frame(
        image=np.zeros((6, width, 3), np.uint8),
        intrinsics=Intrinsics.from_fov(width=width, height=6, horizontal_fov=1.0),
        stamp_ns=round(1e9 * second),
        world_from_camera=pose if known else None,
    )


def places(frames: list[Frame]) -> list[float]:
    return [float(np.asarray(f.world_from_camera)[0, 3]) for f in frames]


def test_the_frames_that_are_farthest_apart_are_taken() -> None:
    keyframes = Keyframes()
    for second, x in enumerate((0.0, 0.3, 0.6, 1.2, 1.5)):
        keyframes.together(frame(second, x), 1, memory_s=60)
    assert places(keyframes.together(frame(6, 1.6), 4, memory_s=60)) == [1.6, 0.0, 0.6, 1.2]
    assert places(keyframes.together(frame(7, 1.6), 1, memory_s=60)) == [1.6]
    assert len(keyframes.together(frame(8, 1.6), 8, memory_s=60)) == 5  # 1.5 is too near to show anything else


def test_a_robot_that_stands_still_has_one_frame() -> None:
    keyframes = Keyframes()
    for second in range(5):
        assert len(keyframes.together(frame(second, 0.01 * second), 4, memory_s=60)) == 1


def test_a_turn_counts_as_another_view_until_it_looks_elsewhere() -> None:
    keyframes = Keyframes()
    keyframes.together(frame(0, yaw=0), 1, memory_s=60)
    assert len(keyframes.together(frame(1, yaw=20), 4, memory_s=60)) == 2
    assert len(keyframes.together(frame(2, yaw=-30), 4, memory_s=60)) == 3
    assert len(keyframes.together(frame(3, yaw=170), 4, memory_s=60)) == 1


def test_what_is_far_or_long_ago_is_left_out() -> None:
    keyframes = Keyframes()
    keyframes.together(frame(0, 0.0), 1, memory_s=10)
    assert places(keyframes.together(frame(1, 4.0), 4, memory_s=10)) == [4.0]
    assert places(keyframes.together(frame(9, 2.0), 4, memory_s=10)) == [2.0, 4.0, 0.0]
    assert places(keyframes.together(frame(10.5, 2.0), 4, memory_s=10)) == [2.0, 4.0]


def test_another_time_or_another_size_begins_anew() -> None:
    for change in (frame(1, 0.5), frame(9, 0.5, width=12)):
        keyframes = Keyframes()
        keyframes.together(frame(8, 0.0), 1, memory_s=60)
        assert len(keyframes.together(change, 4, memory_s=60)) == 1
        assert len(keyframes.together(frame(10, 1.0, width=change.image.shape[1]), 4, memory_s=60)) == 2


def test_a_frame_whose_place_nobody_knows_is_looked_at_alone_and_not_kept() -> None:
    keyframes = Keyframes()
    keyframes.together(frame(0, 0.0), 1, memory_s=60)
    assert len(keyframes.together(frame(1, 0.5, known=False), 4, memory_s=60)) == 1
    assert places(keyframes.together(frame(2, 1.0), 4, memory_s=60)) == [1.0, 0.0]
