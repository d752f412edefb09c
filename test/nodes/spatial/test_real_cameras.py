"""Cameras as robots have them, and a spatial node as a process of its own: mounts, stamps, tf, time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image
from support.camera_mount import CAMERA, PICTURE, Mount
from support.random_student import save_random_student
from support.ros_robot import NodeProcess, Robot, ask_spatial, until

from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.images import rgb_to_image, stamp_to_ns
from distill3d_ros.nodes.spatial.optical_frames import BODY_FROM_OPTICAL
from distill3d_ros.nodes.spatial.tf import TF_STATE
from distill3d_ros.system.ros_messages import image_to_depth

pytestmark = pytest.mark.skipif(
    not messages.HAVE_INTERFACES or TF_STATE == "none",
    reason="distill3d_interfaces is not built, or neither tf2_ros nor tf2_msgs is installed",
)

QUESTION = "Is there a chair?"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def node(student: Path) -> Iterator[NodeProcess]:
    parameters: dict[str, Any] = {"model": student, "min_score": 0.0, "threads": 1, "max_frame_age": 3.0}
    with NodeProcess("spatial_node", parameters, "-r", "image:=/image", "-r", "camera_info:=/camera_info") as process:
        process.says("active")
        yield process


@pytest.fixture(scope="module")
def mount(node: NodeProcess) -> Iterator[Mount]:
    robot = Robot()
    try:
        until(lambda: robot.image.get_subscription_count() and robot.info.get_subscription_count(), what="discovery")
        robot.listen(DiagnosticArray, "/diagnostics")
        mount = Mount(robot)
        until(lambda: robot.node.count_subscribers("/tf"), what="a listener to tf")
        yield mount
    finally:
        robot.close()


def depth_of(mount: Mount, picture: np.ndarray, frame_id: str, rotation: np.ndarray) -> Image:
    """The node's depth image of a picture of a camera that tf knows."""
    robot = mount.robot
    topic = "/spatial_node/depth/image"

    def seen() -> Any:
        stamp_ns = robot.now_ns()
        mount.place(frame_id, rotation, stamp_ns)
        mount.place(frame_id, rotation, stamp_ns)
        time.sleep(0.1)
        mount.show(picture, frame_id, stamp_ns=stamp_ns)
        time.sleep(0.4)
        return robot.with_stamp(topic, stamp_ns)

    return until(seen, what="a depth image")


def test_an_upside_down_camera_sees_what_an_upright_one_sees(mount: Mount) -> None:
    mount.robot.listen(Image, "/spatial_node/depth/image")
    upright = image_to_depth(depth_of(mount, PICTURE, "optical_upright", BODY_FROM_OPTICAL))
    over = BODY_FROM_OPTICAL @ np.diag([-1.0, -1.0, 1.0])
    turned = depth_of(mount, np.ascontiguousarray(PICTURE[::-1, ::-1]), "optical_over", over)
    np.testing.assert_allclose(image_to_depth(turned)[::-1, ::-1], upright, rtol=0.05)
    mount.robot.stop_listening("/spatial_node/depth/image")


def test_a_frame_with_x_forward_is_noticed_and_results_are_in_an_optical_frame(mount: Mount, node: NodeProcess) -> None:
    mount.robot.listen(Image, "/spatial_node/depth/image")
    depth = depth_of(mount, PICTURE, "camera_link", np.eye(3))
    reference = depth_of(mount, PICTURE, "optical_upright", BODY_FROM_OPTICAL)
    depth = depth_of(mount, PICTURE, "camera_link", np.eye(3))
    assert depth.header.frame_id == "camera_link_optical"
    np.testing.assert_allclose(image_to_depth(depth), image_to_depth(reference), rtol=0.02)
    assert "Set `optical_frame` to your camera's optical frame" in node.says("taken for a frame with x")
    mount.robot.stop_listening("/spatial_node/depth/image")


def test_an_old_frame_is_refused_with_its_age_and_nobody_is_not_served(mount: Mount) -> None:
    robot = mount.robot
    until(lambda: mount.show(PICTURE, "cam") and ask_spatial(robot, QUESTION, timeout=2.0).success)
    first = mount.show(PICTURE, "cam")
    assert stamp_to_ns(ask_spatial(robot, QUESTION, stamp_ns=first).header.stamp) == first
    second = mount.show(PICTURE, "cam")
    assert stamp_to_ns(ask_spatial(robot, QUESTION, stamp_ns=second).header.stamp) == second
    assert stamp_to_ns(ask_spatial(robot, QUESTION, stamp_ns=first).header.stamp) == first
    gone = ask_spatial(robot, QUESTION, stamp_ns=first - 60 * 10**9)
    assert (gone.success, gone.reason) == (False, gone.STALE_FRAME)
    assert "no frame with stamp" in gone.message
    time.sleep(3.2)
    stale = ask_spatial(robot, QUESTION, timeout=0.3)
    assert (stale.success, stale.reason) == (False, stale.STALE_FRAME)
    assert "more than `max_frame_age` of 3.0 s" in stale.message
    # Nobody listens now: frames come, and are not looked at.
    until(lambda: "processed" in mount.status()[2])
    before = int(mount.status()[2]["processed"])
    for _ in range(25):
        mount.show(PICTURE, "cam")
        time.sleep(0.1)
    until(lambda: int(mount.status()[2]["skipped"]) >= 15, what="skipped frames in the diagnostics")
    assert int(mount.status()[2]["processed"]) == before
    assert float(mount.status()[2]["frame_delay"].removesuffix(" s")) < 5.0


def test_an_image_whose_stamp_no_camera_info_has_is_looked_at(mount: Mount) -> None:
    stamp_ns = mount.robot.now_ns()
    mount.robot.info.publish(info_from(CAMERA, stamp_ns=stamp_ns, frame_id="cam"))
    mount.robot.image.publish(rgb_to_image(PICTURE, stamp_ns=stamp_ns + 1000, frame_id="cam"))
    assert ask_spatial(mount.robot, QUESTION, stamp_ns=stamp_ns + 1000, timeout=20.0).success


def test_a_camera_info_of_another_camera_is_named(mount: Mount) -> None:
    def told() -> bool:
        stamp_ns = mount.robot.now_ns()
        mount.robot.info.publish(info_from(CAMERA, stamp_ns=stamp_ns, frame_id="rear"))
        mount.robot.image.publish(rgb_to_image(PICTURE, stamp_ns=stamp_ns + 1000, frame_id="front"))
        time.sleep(0.2)
        level, text, values = mount.status()
        wrong = "the images are of frame 'front', the camera_info is of frame 'rear'"
        return level == DiagnosticStatus.WARN and wrong in text and int(values["unmatched"]) > 0

    until(told, what="a diagnosis")


def test_tf_that_is_lost_is_told_and_the_height_of_a_rigid_mount_kept(mount: Mount, node: NodeProcess) -> None:
    mount.robot.listen(Image, "/spatial_node/depth/image")

    def height(send: bool) -> str:
        stamp_ns = mount.robot.now_ns()
        if send:
            mount.place("rigid", BODY_FROM_OPTICAL, stamp_ns, height=1.4)
            time.sleep(0.05)
        mount.show(PICTURE, "rigid", stamp_ns=stamp_ns)
        time.sleep(0.3)
        return mount.status()[2].get("camera_height", "")

    until(lambda: height(True) == "1.40 m", what="tf's height")

    def lost() -> bool:
        assert height(False) == "1.40 m"
        level, text, _ = mount.status()
        return level == DiagnosticStatus.WARN and "is lost" in text

    until(lost, what="a diagnosis of the loss")
    node.says("transform from 'rigid' to floor_frame 'base_footprint' is lost")
    until(lambda: height(True) and "is back" in node.output, what="a line when it is back")
    mount.robot.stop_listening("/spatial_node/depth/image")


def test_a_bag_that_begins_anew_is_followed(mount: Mount, node: NodeProcess) -> None:
    earlier = mount.robot.now_ns() - 3600 * 10**9
    assert until(lambda: mount.show(PICTURE, "cam", stamp_ns=earlier) and "time went back" in node.output)
    reply = ask_spatial(mount.robot, QUESTION, timeout=20.0)
    assert stamp_to_ns(reply.header.stamp) == earlier
