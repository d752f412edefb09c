"""The spatial node, a process of its own, looks at several frames together where tf knows where they were taken."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from support.random_student import save_random_student
from support.ros_robot import NodeProcess, Robot, until

from distill3d_ros.nodes.camera.transforms import CameraTransformBroadcaster
from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.spatial.tf import TF_STATE
from distill3d_ros.scene.frame import Frame, Intrinsics

pytestmark = pytest.mark.skipif(
    not messages.HAVE_INTERFACES or TF_STATE == "none",
    reason="distill3d_interfaces is not built, or neither tf2_ros nor tf2_msgs is installed",
)


class Walk:
    """A robot that shows a frame from a place, tells tf about it, and hears how many frames the node looked at."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.transforms = CameraTransformBroadcaster(robot.node, "camera")
        robot.listen(DiagnosticArray, "/diagnostics")

    def views(self) -> int:
        return int(self.diagnosed("views") or 0)

    def diagnosed(self, key: str) -> str:
        newest = self.robot.received["/diagnostics"][-1:]
        return {v.key: v.value for v in newest[0].status[0].values}.get(key, "") if newest else ""

    def show(self, aside: float | None) -> int:
        """Views of the newest scene, after a frame ``aside`` metres from the start; None: tf is not told."""
        if aside is not None:
            pose = np.eye(4)
            pose[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
            pose[:3, 3] = 0.0, aside, 1.0
            camera = Intrinsics.from_fov(width=64, height=48, horizontal_fov=1.0)
            frame = Frame(image=np.zeros((48, 64, 3), np.uint8), intrinsics=camera, world_from_camera=pose)
            for _ in range(3):  # tf may be slower than the image
                self.transforms.send(frame, self.robot.now_ns())
        self.robot.show()
        time.sleep(0.3)
        return self.views()


def test_frames_from_other_places_are_looked_at_together(tmp_path: Path) -> None:
    student = save_random_student(tmp_path / "student")
    parameters = {
        "model": student,
        "threads": 1,
        "views": 3,
        "on_demand": False,
        "gravity_frame": "",
        "camera_height": 0.4,
    }
    with NodeProcess("spatial_node", parameters) as process:
        process.says("active")
        robot = Robot()
        try:
            until(lambda: robot.image.get_subscription_count() and robot.node.count_subscribers("/tf"))
            walk = Walk(robot)
            for step, expected in ((0.0, 1), (0.5, 2), (1.0, 3), (1.5, 3)):
                until(lambda step=step, expected=expected: walk.show(step) == expected, what=f"{expected} views")
            until(lambda: walk.diagnosed("camera_height") == "1.00 m", what="tf's height of the camera")
            until(lambda: walk.show(None) == 1, what="a frame that tf says nothing about")

            def parameter_serves() -> bool:  # after the seconds for which a rigid mount's height is kept
                walk.show(None)
                return walk.diagnosed("camera_height") == "0.40 m"

            until(parameter_serves, what="the height that the parameter gives")
        finally:
            robot.close()


def test_nine_views_are_refused(tmp_path: Path) -> None:
    with NodeProcess("spatial_node", {"model": "", "views": 9}) as process:
        assert process.wait() != 0
        assert "parameter 'views' cannot be used" in process.output
