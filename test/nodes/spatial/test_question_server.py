"""Questions to the spatial node, a process of its own, by service, topic and parameter."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest
from rcl_interfaces.msg import ParameterType
from std_msgs.msg import String
from support.ros_robot import Robot, ask_spatial, set_parameter, until

from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.images import set_stamp, stamp_to_ns
from distill3d_ros.questions.answer_text import answer_value
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS

pytestmark = pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")

NODE = "/spatial_node"


@pytest.fixture(scope="module", autouse=True)
def first_scene(robot: Robot) -> None:
    """A first image may be lost while the processes still discover each other."""
    until(lambda: robot.show() and ask_spatial(robot, "Is there a chair?", timeout=2.0).success, what="a first scene")


def answered(robot: Robot) -> int:
    """Answers of the worker so far, as the newest diagnostics count them."""
    statuses = [s for m in list(robot.received["/diagnostics"]) for s in m.status if "spatial_node" in s.name]
    return next((int(v.value) for s in reversed(statuses) for v in s.values if v.key == "answered"), 0)


def assert_without_answer(message: Any) -> None:
    """The fields of a SpatialAnswer or an AskSpatial.Response that tells why there is no answer."""
    assert (message.success, message.answer, message.confidence, list(message.objects)) == (False, "", 0.0, [])
    assert (message.value_type, message.unit, message.label, math.isnan(message.value)) == ("", "", "", True)
    assert message.latency_ms > 0


def test_the_service_answers_about_the_frame_that_was_asked_for(robot):
    first = robot.show()
    reply = ask_spatial(robot, "Is there a chair?", stamp_ns=first)
    assert reply.success
    assert reply.answer
    assert stamp_to_ns(reply.header.stamp) == first
    assert reply.header.frame_id == "camera"
    assert 0.0 <= reply.confidence <= 1.0
    assert reply.latency_ms > 0
    assert reply.value_type in (reply.YES_NO, "")
    assert {"yes": 1.0, "no": 0.0}.get(reply.answer, math.nan) == pytest.approx(reply.value, nan_ok=True)
    again = ask_spatial(robot, "Is there a chair?")  # the newest one is still the same
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
    reply = ask_spatial(robot, "Is there a chair?", stamp_ns=robot.now_ns() + 10**12, timeout=0.3)
    assert_without_answer(reply)
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
    reply = ask_spatial(robot, question)
    assert says in reply.message
    assert_without_answer(reply)


def test_a_question_over_the_limit_waits_for_no_frame(robot):
    started = time.monotonic()
    reply = ask_spatial(robot, "?" * (MAX_QUESTION_CHARACTERS + 1), stamp_ns=robot.now_ns() + 10**12, timeout=30.0)
    assert not reply.success
    assert f"I read at most {MAX_QUESTION_CHARACTERS}" in reply.message
    assert time.monotonic() - started < 20.0


def test_a_program_gets_the_value_of_an_answer(robot):
    robot.show()
    count = ask_spatial(robot, "How many chairs are there?")
    assert (count.value_type, count.unit, count.label) == ("count", "", "")
    assert answer_value(count.answer) == count.value >= 0
    length = ask_spatial(robot, "How far away is the chair?")
    assert (length.value_type, length.unit) in (("length", "m"), ("", ""))  # random weights may see no chair
    assert answer_value(length.answer) == pytest.approx(length.value, rel=0.1) or math.isnan(length.value)


def test_a_negative_time_limit_is_told(robot):
    reply = ask_spatial(robot, "Is there a chair?", timeout=-1.0)
    assert "must not be negative. Got -1.000 s" in reply.message
    assert_without_answer(reply)


def test_questions_and_answers_on_topics(robot):
    robot.listen(messages.SpatialAnswer, f"{NODE}/answer")
    publisher = robot.node.create_publisher(String, f"{NODE}/question", 10)
    until(publisher.get_subscription_count)
    robot.show()
    answers = robot.received[f"{NODE}/answer"]

    publisher.publish(String(data="Is there a vase?"))
    vase = until(lambda: next((a for a in list(answers) if a.question == "Is there a vase?" and a.success), None))
    assert (vase.message, vase.latency_ms > 0) == ("", True)
    publisher.publish(String(data="Hm?"))
    lost = until(lambda: next((a for a in list(answers) if a.question == "Hm?"), None))
    assert "do not understand" in lost.message
    assert_without_answer(lost)
    publisher.publish(String(data=" "))
    empty = until(lambda: next((a for a in list(answers) if a.question == " "), None))
    assert "empty question" in empty.message
    assert_without_answer(empty)

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
    robot.stop_listening(f"{NODE}/answer")


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
    assert ask_spatial(robot, "Is there a chair?").success
