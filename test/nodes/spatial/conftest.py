"""A spatial node with a student of random weights as a process of its own, and a robot beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from support.random_student import save_random_student
from support.ros_robot import NodeProcess, Robot, until


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    student = save_random_student(tmp_path_factory.mktemp("student"))
    # Random weights score low; with a threshold of 0 every box is an object.
    parameters = {"model": student, "min_score": 0.0, "threads": 1, "answer_timeout": 60.0, "gravity_frame": ""}
    with NodeProcess("spatial_node", parameters) as process:
        yield process


@pytest.fixture(scope="module")
def robot(node: NodeProcess) -> Iterator[Robot]:
    node.says("active")
    robot = Robot()
    try:
        until(lambda: robot.image.get_subscription_count() and robot.info.get_subscription_count(), what="discovery")
        robot.listen(DiagnosticArray, "/diagnostics")
        yield robot
    finally:
        robot.close()
