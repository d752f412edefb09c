"""The simulated drive as a source of frames."""

from __future__ import annotations

import math

from distill3d_ros.nodes.camera.simulation import drive_shots
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.scene.labels import SIMULATED_LABELS
from distill3d_ros.scene.objects import Scene


def test_its_truth_tells_of_what_simulated_rooms_mark() -> None:
    """A pillow may lie on a bed without being marked, so nobody is asked whether one is there."""
    shots = drive_shots(
        seed=5, room_type="bedroom", split="test", frames=1, width=64, height=48, horizontal_fov=math.radians(65)
    )
    truth = next(iter(shots)).truth
    assert truth is not None
    received = Scene.from_dict(truth.to_dict())
    assert received.annotation.marked_classes() == SIMULATED_LABELS
    asked = {label for fact in question_candidates(received, min_visible_pixels=4) for label in fact.labels}
    assert asked
    assert asked <= {*SIMULATED_LABELS}
