"""The spatial node as a process of its own, over DDS: everything in, everything out, and nothing stops it."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import String
from support.random_student import save_random_student
from support.ros_robot import NodeProcess, Robot, until
from visualization_msgs.msg import MarkerArray

from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.camera_info import intrinsics_from
from distill3d_ros.nodes.conversions.clouds import points_of
from distill3d_ros.nodes.conversions.images import image_to_depth, image_to_rgb, set_stamp, stamp_to_ns
from distill3d_ros.nodes.parameters import SPATIAL_SETTINGS
from distill3d_ros.questions.answer_text import answer_value
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS

pytestmark = pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")

NODE = "/spatial_node"


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


def ask(robot: Robot, question: str, *, stamp_ns: int = 0, timeout: float = 0.0):
    request = messages.AskSpatial.Request(question=question)
    set_stamp(request.stamp, stamp_ns)
    set_stamp(request.timeout, round(timeout * 1e9))
    return robot.call(messages.AskSpatial, f"{NODE}/ask", request)


def set_parameter(robot: Robot, name: str, **value):
    request = SetParametersAtomically.Request(parameters=[Parameter(name=name, value=ParameterValue(**value))])
    return robot.call(SetParametersAtomically, f"{NODE}/set_parameters_atomically", request).result


def answered(robot: Robot) -> int:
    """Answers of the worker so far, as the newest diagnostics count them."""
    statuses = [s for m in list(robot.heard["/diagnostics"]) for s in m.status if "spatial_node" in s.name]
    return next((int(v.value) for s in reversed(statuses) for v in s.values if v.key == "answered"), 0)


def change_state(robot: Robot, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return robot.call(ChangeState, f"{NODE}/change_state", request).success


def test_before_the_first_frame_the_answer_says_so(robot):
    started = time.monotonic()
    reply = ask(robot, "Is there a chair?", timeout=0.3)
    assert (reply.success, reply.answer) == (False, "")
    assert "no frame arrived within the time limit of 0.3 s" in reply.message
    assert 0.25 < time.monotonic() - started < 5.0


def test_everything_comes_out_for_a_frame(robot):
    topics = {
        "depth/image": Image,
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
        return all(robot.heard[f"{NODE}/{t}"] for t in topics)

    until(complete, what="a message on every topic")
    got = {t: until(lambda t=t: robot.heard[f"{NODE}/{t}"][-1]) for t in topics}
    depth = image_to_depth(got["depth/image"])
    assert depth.shape == (48, 64)
    assert (depth > 0).all()
    assert got["depth/image"].header.frame_id == "camera"
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
        robot.deaf(f"{NODE}/{topic}")


def test_the_service_answers_about_the_frame_that_was_asked_for(robot):
    first = robot.show()
    reply = ask(robot, "Is there a chair?", stamp_ns=first)
    assert reply.success
    assert reply.answer
    assert stamp_to_ns(reply.header.stamp) == first
    assert reply.header.frame_id == "camera"
    assert 0.0 <= reply.confidence <= 1.0
    assert reply.latency_ms > 0
    assert reply.value_type in (reply.YES_NO, "")
    assert {"yes": 1.0, "no": 0.0}.get(reply.answer, math.nan) == pytest.approx(reply.value, nan_ok=True)
    again = ask(robot, "Is there a chair?")  # the newest one is still the same
    assert (again.answer, stamp_to_ns(again.header.stamp)) == (reply.answer, first)


def test_the_service_waits_for_a_frame_to_come(robot):
    wanted = robot.now_ns()
    request = messages.AskSpatial.Request(question="Is there a lamp?")
    set_stamp(request.stamp, wanted)
    later = robot.call_later(messages.AskSpatial, f"{NODE}/ask", request)
    time.sleep(0.3)
    shown = robot.show()
    reply = later(60.0)
    assert reply.success
    assert stamp_to_ns(reply.header.stamp) == shown >= wanted


def test_a_stamp_in_the_future_ends_at_the_time_limit(robot):
    reply = ask(robot, "Is there a chair?", stamp_ns=robot.now_ns() + 10**12, timeout=0.3)
    assert not reply.success
    assert "or later arrived within the time limit of 0.3 s; the newest one has" in reply.message


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("", "empty question"),
        ("where " * 2000, "12000 characters; I read at most 500"),
        ("?" * (MAX_QUESTION_CHARACTERS + 1), f"501 characters; I read at most {MAX_QUESTION_CHARACTERS}"),
        ("¿Dónde está la silla?", "do not understand"),
    ],
)
def test_questions_that_cannot_be_answered_are_told(robot, question, says):
    robot.show()
    reply = ask(robot, question)
    assert (reply.success, reply.answer) == (False, "")
    assert says in reply.message
    assert (reply.value_type, reply.unit, reply.label, math.isnan(reply.value)) == ("", "", "", True)


def test_a_program_gets_the_value_of_an_answer(robot):
    robot.show()
    count = ask(robot, "How many chairs are there?")
    assert (count.value_type, count.unit, count.label) == ("count", "", "")
    assert answer_value(count.answer) == count.value >= 0
    length = ask(robot, "How far away is the chair?")
    assert (length.value_type, length.unit) in (("length", "m"), ("", ""))  # random weights may see no chair
    assert answer_value(length.answer) == pytest.approx(length.value, rel=0.1) or math.isnan(length.value)


def test_a_negative_time_limit_is_told(robot):
    reply = ask(robot, "Is there a chair?", timeout=-1.0)
    assert not reply.success
    assert "must not be negative. Got -1.000 s" in reply.message


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
    robot.heard["/diagnostics"].clear()
    robot.show(spoil=spoil)

    def reported() -> bool:
        statuses = [s for m in list(robot.heard["/diagnostics"]) for s in m.status if "spatial_node" in s.name]
        return any(s.level == DiagnosticStatus.ERROR and re.search(says, s.message) for s in statuses)

    until(reported, what=f"a diagnosis with {says!r}")
    time.sleep(0.1)
    good = robot.show()
    assert stamp_to_ns(ask(robot, "Is there a chair?", stamp_ns=good).header.stamp) == good


def test_the_size_may_change_in_mid_stream(robot):
    robot.listen(Image, f"{NODE}/depth/image")
    for width, height in ((64, 48), (100, 60), (48, 64), (64, 48)):

        def arrived(width: int = width, height: int = height) -> bool:
            robot.show(width=width, height=height)
            time.sleep(0.25)
            newest = robot.heard[f"{NODE}/depth/image"][-1:]
            return bool(newest) and image_to_depth(newest[0]).shape == (height, width)

        until(arrived, what=f"depth of {width}x{height}")
    robot.deaf(f"{NODE}/depth/image")


def test_questions_and_answers_on_topics(robot):
    robot.listen(messages.SpatialAnswer, f"{NODE}/answer")
    publisher = robot.node.create_publisher(String, f"{NODE}/question", 10)
    until(publisher.get_subscription_count)
    robot.show()
    answers = robot.heard[f"{NODE}/answer"]

    publisher.publish(String(data="Is there a vase?"))
    until(lambda: any(a.question == "Is there a vase?" and a.success for a in list(answers)))
    publisher.publish(String(data="Hm?"))
    lost = until(lambda: next((a for a in list(answers) if a.question == "Hm?"), None))
    assert not lost.success
    assert "do not understand" in lost.message

    strings = {"type": ParameterType.PARAMETER_STRING_ARRAY, "string_array_value": ["Is there a bed?"]}
    assert set_parameter(robot, "standing_questions", **strings).successful
    stamp_ns = robot.show()
    standing = until(lambda: robot.with_stamp(f"{NODE}/answer", stamp_ns))
    assert standing.question == "Is there a bed?"
    before = answered(robot)
    robot.show()
    until(lambda: answered(robot) > before, what="a standing answer in the diagnostics")
    strings["string_array_value"] = [""]
    assert set_parameter(robot, "standing_questions", **strings).successful
    robot.deaf(f"{NODE}/answer")


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


def test_many_questions_at_once_while_frames_come(robot):
    """Nothing hangs: each gets an answer, or hears that too many wait."""
    stop = threading.Event()

    def drive() -> None:
        while not stop.is_set():
            robot.show()
            time.sleep(0.05)

    driver = threading.Thread(target=drive, daemon=True)
    driver.start()
    request = messages.AskSpatial.Request(question="Is there a chair?")
    pending = [robot.call_later(messages.AskSpatial, f"{NODE}/ask", request) for _ in range(20)]
    try:
        replies = [reply(60.0) for reply in pending]
    finally:
        stop.set()
        driver.join(5.0)
    assert all(r.success or "questions are waiting" in r.message for r in replies)
    assert sum(r.success for r in replies) >= 1
    assert ask(robot, "Is there a chair?").success


def test_the_whole_life(robot):
    assert change_state(robot, Transition.TRANSITION_DEACTIVATE)
    assert "not active" in ask(robot, "Is there a chair?").message
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
