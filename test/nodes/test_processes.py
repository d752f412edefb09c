"""Camera node and spatial node as two processes, and every way to end them."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
import rclpy
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_msgs.msg import String
from support.random_student import save_random_student
from support.ros_robot import NodeProcess, Robot, picture_folder, until

from distill3d_ros.nodes.camera.camera_player import CameraNode
from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.images import image_to_rgb, stamp_to_ns

needs_interfaces = pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("pictures"))


@needs_interfaces
def test_a_camera_process_a_node_process_and_somebody_who_asks(student, pictures):
    spatial = NodeProcess("spatial_node", {"model": student, "threads": 1, "gravity_frame": ""})
    camera = NodeProcess("camera_node", {"source": "folder", "path": pictures, "rate": 5.0, "start_subscribers": 1})
    with spatial, camera:
        spatial.says("active")
        robot = Robot()
        try:
            robot.listen(Image, "/spatial_node/depth/image")
            request = messages.AskSpatial.Request(question="Is there a chair?")
            request.timeout.sec = 25
            reply = robot.call(messages.AskSpatial, "/spatial_node/ask", request)
            assert reply.success
            assert reply.header.frame_id == "camera_optical_frame"
            assert abs(stamp_to_ns(reply.header.stamp) - robot.now_ns()) < 30e9
            until(lambda: len(robot.received["/spatial_node/depth/image"]) >= 3, what="three depth images")
        finally:
            robot.close()
        assert camera.interrupt() == 0
        assert spatial.interrupt(signal.SIGTERM) == 0
        assert "Traceback" not in camera.output + spatial.output
        assert "first frame: 64x48, 60 degrees wide" in camera.output


def test_a_camera_that_does_not_loop_shows_everything_once(pictures):
    robot = Robot()
    try:
        robot.listen(Image, "image")
        parameters = {"source": "folder", "path": pictures, "rate": 20.0, "loop": False, "start_subscribers": 1}
        with NodeProcess("camera_node", parameters) as camera:
            camera.says("all 3 frames were published")
            assert camera.wait() == 0
        until(lambda: len(robot.received["image"]) == 3)
        assert [int(image_to_rgb(m)[0, 0, 0]) for m in robot.received["image"]] == [20, 60, 100]
        assert "Traceback" not in camera.output
    finally:
        robot.close()


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"source": "folder"}, "parameter 'path' must name the folder to play"),
        ({"source": "telescope"}, "parameter 'source' must be one of drive, folder, bag. Got 'telescope'"),
        ({"width": 7}, "parameter 'width' cannot be used: .* Min: 32, Max: 4096"),
        ({"rate": "fast"}, "parameter 'rate' cannot be used: .*expecting type .DOUBLE"),
    ],
)
def test_a_camera_with_wrong_parameters_says_so(parameters, says):
    rclpy.init()
    overrides = [Parameter(name, value=value) for name, value in parameters.items()]
    try:
        with pytest.raises(ValueError, match=says):
            CameraNode(parameter_overrides=overrides)
    finally:
        rclpy.try_shutdown()


def test_a_camera_without_frames_says_why_and_ends_with_1():
    with NodeProcess("camera_node", {"source": "folder", "path": "/no/where"}) as camera:
        assert camera.wait() == 1
        assert "path must be a folder of pictures. Got '/no/where'" in camera.output
        assert "Traceback" not in camera.output


def test_a_spatial_node_without_a_student_says_why_and_ends_with_1():
    with NodeProcess("spatial_node", {"model": "/no/such/student"}) as node:
        assert node.wait() == 1
        assert "model must be a folder with a student" in node.output
        assert "Traceback" not in node.output


@pytest.mark.parametrize("after", [0.6, 1.3, 2.2, 3.5])
def test_it_ends_cleanly_at_any_moment(student, after):
    """While it imports, loads the student, warms up, or waits for images."""
    with NodeProcess("spatial_node", {"model": student, "threads": 1}) as node:
        # Before our code has the signals in hand it is Python that starts, and it has a traceback for them.
        until(lambda: _takes_signals(node.process.pid), 60.0)
        time.sleep(after - 0.6)
        assert node.interrupt() == 0
        assert "Traceback" not in node.output


def _takes_signals(pid: int) -> bool:
    """Whether the process handles SIGTERM itself, which Python does not by default."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_truth_comes_with_simulated_frames():
    """A drive with few small frames; skipped where the furniture or OpenGL is missing."""
    pytest.importorskip("moderngl")
    catalogue = pytest.importorskip("distill3d_ros.worlds.furniture.catalogue")
    try:
        catalogue.library_files()
    except FileNotFoundError:
        pytest.skip("the furniture libraries are not installed")
    robot = Robot()
    try:
        robot.listen(String, "/camera_node/truth")
        robot.listen(Image, "image")
        robot.listen(Image, "/camera_node/truth/depth")
        parameters = {"frames": 2, "width": 96, "height": 64, "seed": 3, "start_subscribers": 1, "loop": False}
        with NodeProcess("camera_node", parameters) as camera:
            camera.says("all 2 frames were published")
            assert camera.wait() == 0
        until(lambda: len(robot.received["image"]) == 2 and len(robot.received["/camera_node/truth"]) == 2)
        truth = [json.loads(m.data) for m in robot.received["/camera_node/truth"]]
        assert [t["stamp_ns"] for t in truth] == [stamp_to_ns(m.header.stamp) for m in robot.received["image"]]
        assert truth[0]["intrinsics"]["width"] == 96
        assert robot.with_stamp("/camera_node/truth/depth", truth[0]["stamp_ns"]) is not None
    finally:
        robot.close()
