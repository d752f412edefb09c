"""The confidence below which answers are kept back: the student's own, unless the parameter says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from rcl_interfaces.msg import ParameterType
from support.random_student import save_random_student
from support.ros_robot import NodeProcess, Robot, ask_spatial, set_parameter, until

from distill3d_ros.engine.calibration import Calibration
from distill3d_ros.nodes.conversions import messages
from distill3d_ros.training.evaluation.calibrating.calibrate import save_calibrated

pytestmark = pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")

QUESTION = "Is there a chair?"


def test_a_calibrated_student_brings_its_own_limit_and_the_parameter_overrides_it(tmp_path: Path) -> None:
    plain = save_random_student(tmp_path / "plain")
    save_calibrated(plain, tmp_path / "careful", Calibration(min_confidence=0.9999).to_dict())
    parameters = {"model": tmp_path / "careful", "threads": 1, "answer_timeout": 60.0, "gravity_frame": ""}
    with NodeProcess("spatial_node", parameters) as process:
        process.says("active")
        robot = Robot()
        try:
            until(
                lambda: robot.image.get_subscription_count() and robot.info.get_subscription_count(), what="discovery"
            )
            until(lambda: robot.show() and ask_spatial(robot, QUESTION, timeout=2.0).reason == "too_unsure")
            kept_back = ask_spatial(robot, QUESTION)
            assert (kept_back.reason, kept_back.value_type) == ("too_unsure", "")
            set_parameter(robot, "min_confidence", type=ParameterType.PARAMETER_DOUBLE, double_value=0.0)
            assert ask_spatial(robot, QUESTION).reason != "too_unsure"
        finally:
            robot.close()
