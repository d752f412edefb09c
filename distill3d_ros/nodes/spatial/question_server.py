"""The ways in for questions: the service ~/ask, the topic ~/question and the parameter `standing_questions`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from distill3d_ros.engine.worker import BusyError, NoFrameError, Reply, StaleFrameError, StoppedError, Worker
from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.images import stamp_to_ns
from distill3d_ros.nodes.spatial.diagnostics import Statistics
from distill3d_ros.nodes.spatial.publishers import SpatialOutputs
from distill3d_ros.nodes.spatial.tf import NoTransformError
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.reading.refusals import unreadable_because
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Scene

_REASONS: dict[type[Exception], str] = {
    StaleFrameError: "stale_frame",
    NoFrameError: "no_frame",
    BusyError: "busy",
    StoppedError: "inactive",
    TimeoutError: "busy",
}
"""What the worker raises -> reason code."""


REFUSAL_S = 0.005
"""Refusals for a crowd go out at this interval: every client hears the replies to all clients, and loses its own among
those that come faster than it reads."""


class _Outcome(NamedTuple):
    """An answer and the scene that it is about, or what is wrong."""

    scene: Scene | None = None
    answer: Answer | None = None
    problem: str = ""
    reason: str = ""
    """One of ``questions.answer.REASONS``."""
    latency_ms: float = 0.0


class QuestionServer:
    """Takes questions in, has the worker answer them, hands the answers out."""

    def __init__(
        self,
        node: LifecycleNode,
        *,
        group: CallbackGroup,
        outputs: SpatialOutputs,
        statistics: Statistics,
        transform: Callable[[str, str, int], FloatArray],
    ) -> None:
        """
        Args:
            group: apart from the images', since a question that waits for a frame must not keep it out.
            transform: the (4, 4) pose of one tf frame in another at a stamp; raises NoTransformError.
        """
        self._node, self._outputs, self._statistics, self._transform = node, outputs, statistics, transform
        self._worker: Worker[Any] | None = None
        self._topic = node.create_subscription(String, "~/question", self._on_question, 10, callback_group=group)
        self._service = None
        if messages.HAVE_INTERFACES:
            # The default holds ten requests and loses the eleventh without a word; a busy node is to say that it is.
            qos = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE)
            self._service = node.create_service(
                messages.AskSpatial, "~/ask", self._on_ask, qos_profile=qos, callback_group=group
            )

    def open(self, worker: Worker[Any]) -> None:
        """From now on ``worker`` answers."""
        self._worker = worker

    def shut(self) -> None:
        """From now on questions are turned away."""
        self._worker = None

    def standing_questions(self) -> list[str]:
        """The questions to ask about every scene, as the parameter has them now."""
        questions = self._node.get_parameter("standing_questions").value
        return [question.strip() for question in questions if question.strip()]

    def publish_standing(self, question: str, reply: Reply) -> None:
        """Puts the worker's reply to a standing question on ~/answer."""
        self._publish(question, self._outcome(question, reply.result))

    def close(self) -> None:
        self._node.destroy_subscription(self._topic)
        if self._service is not None:
            self._node.destroy_service(self._service)

    def _on_ask(self, request: Any, response: Any) -> Any:
        limit = stamp_to_ns(request.timeout) / 1e9
        outcome = self._answer(request.question, stamp_to_ns(request.stamp), limit)
        if outcome.scene is None or outcome.answer is None:
            refusal = messages.refusal_message(
                request.question, outcome.problem, outcome.latency_ms, reason=outcome.reason
            )
            return messages.fill_response(response, refusal, [refusal])
        try:
            frame = self._frame(request.frame_id, outcome.scene)
        except NoTransformError as error:
            refusal = messages.refusal_message(request.question, str(error), outcome.latency_ms, reason="failed")
            return messages.fill_response(response, refusal, [refusal])
        now_ns = self._node.get_clock().now().nanoseconds
        whole = messages.answer_message(outcome.scene, request.question, outcome.answer, now_ns=now_ns, frame=frame)
        parts = [whole]
        if outcome.answer.parts:
            parts = messages.answer_messages(
                outcome.scene, request.question, outcome.answer, now_ns=now_ns, frame=frame
            )
        return messages.fill_response(response, whole, parts)

    def _frame(self, frame_id: str, scene: Scene) -> messages.PoseFrame | None:
        """The frame in which poses are wanted; None for the scene's own.

        Raises:
            NoTransformError: tf does not know it.
        """
        if frame_id in ("", scene.frame_id):
            return None
        return messages.PoseFrame(frame_id, self._transform(frame_id, scene.frame_id, scene.stamp_ns))

    def _on_question(self, message: String) -> None:
        self._publish(message.data, self._answer(message.data, 0, 0.0))

    def _publish(self, question: str, outcome: _Outcome) -> None:
        if outcome.scene is not None and outcome.answer is not None:
            self._outputs.publish_answer(outcome.scene, question, outcome.answer)
        else:
            self._outputs.publish_refusal(question, outcome.problem, outcome.latency_ms, reason=outcome.reason)

    def _answer(self, question: str, not_before_ns: int, limit: float) -> _Outcome:
        """The outcome of a question that arrives now; its latency counts from here."""
        started = time.monotonic()
        outcome = self._ask_worker(question, not_before_ns, limit)
        latency_ms = 1e3 * (time.monotonic() - started)
        if outcome.answer is None:
            return outcome._replace(latency_ms=latency_ms)
        self._statistics.took("ask", latency_ms)
        return outcome._replace(answer=replace(outcome.answer, latency_ms=latency_ms), latency_ms=latency_ms)

    def _ask_worker(self, question: str, not_before_ns: int, limit: float) -> _Outcome:
        worker = self._worker
        if worker is None:
            return _Outcome(problem="the node is not active; activate it first", reason="inactive")
        if limit < 0:
            return _Outcome(problem=f"the time limit must not be negative. Got {limit:.3f} s", reason="failed")
        if (problem := unreadable_because(question)) is not None:  # no need to wait for a frame to say so
            return _Outcome(problem=problem, reason="not_understood")

        def ask() -> tuple[Scene, Answer]:
            timeout = limit or float(self._node.get_parameter("answer_timeout").value)
            oldest = float(self._node.get_parameter("max_frame_age").value)
            return worker.ask(question, not_before_ns=not_before_ns, timeout=timeout, max_age_s=oldest)

        return self._outcome(question, ask)

    def _outcome(self, question: str, reply: Callable[[], tuple[Scene, Answer]]) -> _Outcome:
        """The result of ``reply``, or what is wrong."""
        try:
            scene, answer = reply()
        except tuple(_REASONS) as error:
            code = next(code for kind, code in _REASONS.items() if isinstance(error, kind))
            if isinstance(error, BusyError):
                time.sleep(REFUSAL_S)
            return _Outcome(problem=str(error), reason=code)
        except Exception as error:  # the student failed on this question; the node serves the next one
            self._statistics.failed(f"question not answered: {error}")
            self._node.get_logger().error(f"question {question[:80]!r} not answered: {error}")
            return _Outcome(problem=f"the question could not be answered: {error}", reason="failed")
        self._statistics.took("answer", answer.latency_ms)
        return _Outcome(scene=scene, answer=answer, latency_ms=answer.latency_ms)
