"""A spatial node, a process of its own, beside a latched camera_info, a depth camera and a simulated clock."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from support.camera_mount import CAMERA, PICTURE, Mount
from support.random_student import save_random_student
from support.ros_robot import NodeProcess, Robot, ask_spatial, until

from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.images import depth_to_image, rgb_to_image, set_stamp, stamp_to_ns
from distill3d_ros.nodes.spatial.tf import TF_STATE
from distill3d_ros.system.ros_messages import image_to_depth

pytestmark = pytest.mark.skipif(
    not messages.HAVE_INTERFACES or TF_STATE == "none",
    reason="distill3d_interfaces is not built, or neither tf2_ros nor tf2_msgs is installed",
)

QUESTION = "Is there a chair?"
NAMESPACE = "/robot_one"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_student(tmp_path_factory.mktemp("student"))


def test_a_latched_camera_info_a_namespace_and_depth(student: Path) -> None:
    """Published once, before the node was there; the node answers to its full name, and depth gives the scale."""
    robot = Robot()
    try:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        info = robot.node.create_publisher(CameraInfo, f"{NAMESPACE}/camera_info", latched)
        image = robot.node.create_publisher(Image, f"{NAMESPACE}/image", 10)
        depth = robot.node.create_publisher(Image, f"{NAMESPACE}/depth", 10)
        info.publish(info_from(CAMERA, frame_id="cam"))
        robot.listen(DiagnosticArray, "/diagnostics")
        parameters = {"model": student, "threads": 1, "gravity_frame": "", "depth_input": True}
        with NodeProcess("spatial_node", parameters, "-r", f"__ns:={NAMESPACE}") as process:
            process.says("active")
            topic = f"{NAMESPACE}/spatial_node/depth/image"
            robot.listen(Image, topic)
            until(lambda: image.get_subscription_count() and depth.get_subscription_count())

            def seen(metres: float) -> float | None:
                stamp_ns = robot.now_ns()
                depth.publish(depth_to_image(np.full((48, 64), metres), stamp_ns=stamp_ns, frame_id="cam"))
                image.publish(rgb_to_image(PICTURE, stamp_ns=stamp_ns, frame_id="cam"))
                time.sleep(0.4)
                found = robot.with_stamp(topic, stamp_ns)
                return None if found is None else float(np.median(image_to_depth(found)))

            assert until(lambda: seen(2.0), what="a depth image") == pytest.approx(2.0, rel=0.1)
            assert until(lambda: seen(4.0), what="a depth image") == pytest.approx(4.0, rel=0.1)
            names = {s.name for m in list(robot.received["/diagnostics"]) for s in m.status}
            assert names == {f"{NAMESPACE}/spatial_node: perception"}
            assert process.interrupt() == 0
            assert "Traceback" not in process.output
    finally:
        robot.close()


def test_simulated_time_that_never_begins_is_told_and_begins(student: Path) -> None:
    robot = Robot()
    try:
        robot.listen(DiagnosticArray, "/diagnostics")
        mount = Mount(robot)
        parameters = {"model": student, "threads": 1, "use_sim_time": True, "quiet_after": 1.0, "gravity_frame": ""}
        with NodeProcess("spatial_node", parameters) as process:
            process.says("active")
            process.says("`use_sim_time` is true, but no time comes on /clock")
            until(lambda: "/clock" in mount.status()[1], what="diagnostics")
            assert mount.status()[0] == DiagnosticStatus.WARN
            until(lambda: robot.image.get_subscription_count() and robot.info.get_subscription_count())
            clock = robot.node.create_publisher(Clock, "/clock", 10)
            second = 10**9

            def at(ns: int) -> bool:
                message = Clock()
                set_stamp(message.clock, ns)
                clock.publish(message)
                mount.show(PICTURE, "cam", stamp_ns=ns)
                reply = ask_spatial(robot, QUESTION, timeout=1.0)
                return bool(reply.success) and stamp_to_ns(reply.header.stamp) == ns

            until(lambda: at(500 * second), what="an answer in simulated time")
            until(lambda: at(20 * second), what="an answer after the simulator's reset")
            assert "time went back" in process.output
            assert "Traceback" not in process.output
    finally:
        robot.close()
