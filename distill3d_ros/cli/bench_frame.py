"""The frame and the questions that the benchmarks measure with."""

from __future__ import annotations

import numpy as np

from distill3d_ros.scene.frame import Frame, Intrinsics

SEED = 900_000_100
QUESTIONS = (
    "Is the chair left of the table?",
    "How far away is the table?",
    "How many chairs are there?",
    "Is there a lamp?",
    "What is on the table?",
    "Which is closer to the door, the chair or the table?",
)


def benchmark_frame(*, width: int = 640, height: int = 480) -> Frame:
    """A picture of noise: the time does not depend on what it shows."""
    return Frame(
        image=np.random.default_rng(SEED).integers(0, 255, (height, width, 3), dtype=np.uint8),
        intrinsics=Intrinsics.from_fov(width=width, height=height, horizontal_fov=1.13),
        up=np.array([0.0, -1.0, 0.0]),
    )
