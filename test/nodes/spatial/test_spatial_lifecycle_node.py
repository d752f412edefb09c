"""The spatial node as a process of its own, over DDS: everything in, everything out, and nothing stops it."""

from __future__ import annotations

import math
import re
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from support.ros_robot import Robot, ask_spatial, set_parameter, until
from visualization_msgs.msg import MarkerArray

from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.clouds import points_of
from distill3d_ros.nodes.conversions.images import image_to_rgb, stamp_to_ns
from distill3d_ros.nodes.parameters import SPATIAL_SETTINGS
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS
from distill3d_ros.system.camera_messages import intrinsics_from
from distill3d_ros.system.ros_messages import image_to_depth

pytestmark = pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")

NODE = "/spatial_node"


def change_state(robot: Robot, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return robot.call(ChangeState, f"{NODE}/change_state", request).success


def test_before_the_first_frame_the_answer_says_so(robot):
    started = time.monotonic()
    reply = ask_spatial(robot, "Is there a chair?", timeout=0.3)
    assert (reply.success, reply.answer) == (False, "")
    assert "no frame arrived within the time limit of 0.3 s" in reply.message
    assert 0.25 < time.monotonic() - started < 5.0


def test_everything_comes_out_for_a_frame(robot):
    topics = {
        "depth/image": Image,
        "depth/image/compressedDepth": CompressedImage,
        "depth/camera_info": CameraInfo,
        "points": PointCloud2,
        "objects": messages.SpatialObjectArray,
        "markers": MarkerArray,
        "image_annotated": Image,
    }
    if messages.HAVE_VISION_MSGS:
        topics["detections"] = messages.Detection3DArray
    for topic, kind in topics.items():
        robot.listen(kind, f"{NODE}/{topic}")
    stamp_ns = 0

    def complete() -> bool:
        nonlocal stamp_ns
        stamp_ns = robot.show()
        time.sleep(0.3)
        return all(robot.received[f"{NODE}/{t}"] for t in topics)

    until(complete, what="a message on every topic")
    got = {t: until(lambda t=t: robot.received[f"{NODE}/{t}"][-1]) for t in topics}
    depth = image_to_depth(got["depth/image"])
    assert depth.shape == (48, 64)
    assert (depth > 0).all()
    assert got["depth/image"].header.frame_id == "camera"
    assert got["depth/image/compressedDepth"].header.frame_id == "camera"
    assert got["depth/image/compressedDepth"].format == "32FC1; compressedDepth png"
    camera = intrinsics_from(got["depth/camera_info"], width=64, height=48)
    assert camera.fx == pytest.approx(32 / math.tan(0.5))
    cloud = points_of(got["points"])
    assert cloud.size == 48 * 64
    assert np.isfinite(cloud["z"]).all()
    first = got["objects"].objects[0]
    assert first.label
    assert min(first.size.x, first.size.y, first.size.z) > 0
    assert len(got["markers"].markers) == 1 + 3 * len(got["objects"].objects)
    assert image_to_rgb(got["image_annotated"]).shape[1] >= 64
    for topic in topics:
        robot.stop_listening(f"{NODE}/{topic}")


def wrong_encoding(image: Image, info: CameraInfo) -> None:
    image.encoding = "yuv999"


def no_size(image: Image, info: CameraInfo) -> None:
    image.width = image.height = image.step = 0


def too_short(image: Image, info: CameraInfo) -> None:
    image.data = image.data[:-100]


def no_focal_length(image: Image, info: CameraInfo) -> None:
    info.k[0] = info.k[4] = 0.0


def nan_focal_length(image: Image, info: CameraInfo) -> None:
    info.k[0] = math.nan


def other_camera(image: Image, info: CameraInfo) -> None:
    info.height = 64


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (wrong_encoding, "image encoding must be one of .* Got 'yuv999'"),
        (no_size, "at least 1x1 pixels"),
        (too_short, "image data must hold step x height"),
        (no_focal_length, "fx must be a positive number"),
        (nan_focal_length, "fx must be a positive number.*Got nan"),
        (other_camera, "camera_info is for 64x64 pixels but the image has 64x48"),
    ],
)
def test_bad_frames_are_reported_and_the_next_one_counts(robot, spoil, says):
    robot.received["/diagnostics"].clear()
    robot.show(spoil=spoil)

    def reported() -> bool:
        statuses = [s for m in list(robot.received["/diagnostics"]) for s in m.status if "spatial_node" in s.name]
        return any(s.level == DiagnosticStatus.ERROR and re.search(says, s.message) for s in statuses)

    until(reported, what=f"a diagnosis with {says!r}")
    time.sleep(0.1)
    good = robot.show()
    assert stamp_to_ns(ask_spatial(robot, "Is there a chair?", stamp_ns=good).header.stamp) == good


def test_the_size_may_change_in_mid_stream(robot):
    robot.listen(Image, f"{NODE}/depth/image")
    for width, height in ((64, 48), (100, 60), (48, 64), (64, 48)):

        def arrived(width: int = width, height: int = height) -> bool:
            robot.show(width=width, height=height)
            time.sleep(0.25)
            newest = robot.received[f"{NODE}/depth/image"][-1:]
            return bool(newest) and image_to_depth(newest[0]).shape == (height, width)

        until(arrived, what=f"depth of {width}x{height}")
    robot.stop_listening(f"{NODE}/depth/image")


def test_parameters_have_words_and_ranges_and_refuse_nonsense(robot):
    names = [s.name for s in SPATIAL_SETTINGS]
    request = DescribeParameters.Request(names=names)
    described = robot.call(DescribeParameters, f"{NODE}/describe_parameters", request).descriptors
    assert [d.name for d in described] == names
    assert all(len(d.description) > 15 for d in described)
    double = ParameterType.PARAMETER_DOUBLE
    too_large = set_parameter(robot, "min_score", type=double, double_value=1.5)
    assert not too_large.successful
    wrong_type = set_parameter(robot, "min_score", type=ParameterType.PARAMETER_STRING, string_value="high")
    assert not wrong_type.successful
    late = set_parameter(robot, "device", type=ParameterType.PARAMETER_STRING, string_value="cpu")
    assert "is read when the node is configured" in late.reason
    nan = {"type": ParameterType.PARAMETER_DOUBLE_ARRAY, "double_array_value": [0.0, math.nan, 0.0]}
    assert "must have three finite numbers" in set_parameter(robot, "up", **nan).reason
    many = {"type": ParameterType.PARAMETER_STRING_ARRAY, "string_array_value": ["q"] * 17}
    assert "at most 16 questions" in set_parameter(robot, "standing_questions", **many).reason
    endless = many | {"string_array_value": ["q" * (MAX_QUESTION_CHARACTERS + 1)]}
    reason = set_parameter(robot, "standing_questions", **endless).reason
    assert f"at most {MAX_QUESTION_CHARACTERS} characters a question, one has 501" in reason


def test_the_whole_life(robot):
    assert change_state(robot, Transition.TRANSITION_DEACTIVATE)
    assert "not active" in ask_spatial(robot, "Is there a chair?").message
    assert change_state(robot, Transition.TRANSITION_CLEANUP)
    device = {"type": ParameterType.PARAMETER_STRING, "string_value": "cpu"}
    assert set_parameter(robot, "device", **device).successful
    assert not set_parameter(robot, "device", type=device["type"], string_value="abacus").successful
    model = {"type": ParameterType.PARAMETER_STRING, "string_value": "/no/such/folder"}
    assert not change_state(robot, Transition.TRANSITION_ACTIVATE)  # not before it is configured
    assert set_parameter(robot, "model", **model).successful
    assert not change_state(robot, Transition.TRANSITION_CONFIGURE)


def test_a_failed_configuration_says_why(node):
    node.says("model must be a folder with a student")


def test_ctrl_c_ends_it_cleanly(node):
    """Last: with frames seen and services used."""
    assert node.interrupt() == 0
    assert "Traceback" not in node.output
