"""A crowd that asks the spatial node, a process of its own, all at once: everybody hears back."""

from __future__ import annotations

import time

import pytest
from support.ros_robot import Robot, until

from distill3d_ros.nodes.conversions import messages

pytestmark = pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")

CLIENTS, EACH, LIMIT_S = 20, 50, 100.0


def test_a_thousand_questions_at_once_are_answered_or_refused(robot: Robot) -> None:
    clients = [robot.make_client(messages.AskSpatial, "/spatial_node/ask", depth=EACH) for _ in range(CLIENTS)]
    until(lambda: all(c.service_is_ready() for c in clients), what="the service")
    robot.show()
    request = messages.AskSpatial.Request(question="Is there a chair?")
    request.timeout.sec = 30
    started = time.monotonic()
    pending = [client.call_async(request) for _ in range(EACH) for client in clients]
    until(lambda: all(p.done() for p in pending), limit=LIMIT_S, what="a reply to each")
    replies = [p.result() for p in pending]
    print(f"{len(replies)} replies in {time.monotonic() - started:.1f} s, {sum(r.success for r in replies)} answers")
    assert all(r.success or r.reason in (r.BUSY, r.NO_FRAME, r.STALE_FRAME) for r in replies)
    assert any(r.success for r in replies)
