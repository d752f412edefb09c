"""Where questions come in: the service ~/ask and the topic ~/question."""

from __future__ import annotations

import math
import time
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from distill3d_ros.engine.worker import BusyError, NoFrameError, StoppedError, Worker
from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.images import stamp_to_ns
from distill3d_ros.nodes.spatial.diagnostics import Statistics
from distill3d_ros.nodes.spatial.publishers import SpatialOutputs
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.objects import Scene


class QuestionServer:
    """Takes questions in, has the worker answer them, hands the answers out."""

    def __init__(
        self, node: LifecycleNode, *, group: ReentrantCallbackGroup, outputs: SpatialOutputs, statistics: Statistics
    ) -> None:
        """``group``: apart from the images', since a question that waits for a frame must not keep it out."""
        self._node, self._outputs, self._statistics = node, outputs, statistics
        self._worker: Worker[Any] | None = None
        self._topic = node.create_subscription(String, "~/question", self._on_question, 10, callback_group=group)
        self._service = None
        if messages.HAVE_INTERFACES:
            # The default holds ten requests and loses the eleventh without a word; a busy node is to say that it is.
            qos = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)
            self._service = node.create_service(
                messages.AskSpatial, "~/ask", self._on_ask, qos_profile=qos, callback_group=group
            )

    def open(self, worker: Worker[Any]) -> None:
        """From now on ``worker`` answers."""
        self._worker = worker

    def shut(self) -> None:
        """From now on questions are turned away."""
        self._worker = None

    def close(self) -> None:
        self._node.destroy_subscription(self._topic)
        if self._service is not None:
            self._node.destroy_service(self._service)

    def _on_ask(self, request: Any, response: Any) -> Any:
        started = time.monotonic()
        limit = stamp_to_ns(request.timeout) / 1e9
        scene, answer, trouble = self._answer(request.question, stamp_to_ns(request.stamp), limit)
        if scene is not None and answer is not None:
            filled = messages.answer_message(scene, request.question, answer)
            for name in response.get_fields_and_field_types():
                setattr(response, name, getattr(filled, name))
        else:
            response.success, response.message, response.value = False, trouble, math.nan
        response.latency_ms = 1e3 * (time.monotonic() - started)
        return response

    def _on_question(self, message: String) -> None:
        scene, answer, trouble = self._answer(message.data, 0, 0.0)
        if scene is not None and answer is not None:
            self._outputs.publish_answer(scene, message.data, answer)
        else:
            self._outputs.publish_trouble(message.data, trouble)

    def _answer(self, question: str, not_before_ns: int, limit: float) -> tuple[Scene | None, Answer | None, str]:
        """The scene and the answer, or why there is none."""
        worker = self._worker
        if worker is None:
            return None, None, "the node is not active; activate it first"
        if limit < 0:
            return None, None, f"the time limit must not be negative. Got {limit:.3f} s"
        started = time.monotonic()
        try:
            limit = limit or float(self._node.get_parameter("answer_timeout").value)
            scene, answer = worker.ask(question, not_before_ns=not_before_ns, timeout=limit)
        except (NoFrameError, BusyError, StoppedError, TimeoutError) as error:
            return None, None, str(error)
        except Exception as error:  # the student failed on this question; the node serves the next one
            self._statistics.failed(f"question not answered: {error}")
            self._node.get_logger().error(f"question {question[:80]!r} not answered: {error}")
            return None, None, f"the question could not be answered: {error}"
        self._statistics.took("ask", 1e3 * (time.monotonic() - started))
        self._statistics.took("answer", answer.latency_ms)
        return scene, answer, ""
