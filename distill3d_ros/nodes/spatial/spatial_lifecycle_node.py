"""The spatial node's life cycle: camera, worker, engine, publishers and questions wired together."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from distill3d_ros.engine.box_decoding import filter_by_score
from distill3d_ros.engine.engine import Engine
from distill3d_ros.engine.keyframes import Keyframes
from distill3d_ros.engine.worker import Worker
from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.limited_group import LimitedCallbackGroup
from distill3d_ros.nodes.parameters import SPATIAL_SETTINGS, declare
from distill3d_ros.nodes.spatial.camera_transforms import CameraTransforms
from distill3d_ros.nodes.spatial.depth_input import DepthInput
from distill3d_ros.nodes.spatial.diagnostics import Statistics, status_message
from distill3d_ros.nodes.spatial.frame_maker import FrameMaker
from distill3d_ros.nodes.spatial.inputs import CameraInputs, CameraItem
from distill3d_ros.nodes.spatial.publishers import SpatialOutputs
from distill3d_ros.nodes.spatial.question_server import QuestionServer
from distill3d_ros.nodes.spatial.time_watch import STEADY, TimeWatch
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Frame
from distill3d_ros.scene.objects import Scene
from distill3d_ros.system.memory import lasting_objects, peak_rss_mib, trim_heap

WAITING_QUESTIONS = 5
JUMP_NS = 1_000_000_000
"""Images whose stamps go back by more are of another time: a bag loops, or a simulator was reset."""
FRAME_SETTINGS = ("gravity_frame", "floor_frame", "odom_frame", "base_frame", "optical_frame")
EXECUTOR_THREADS = WAITING_QUESTIONS + 4
"""A waiting question holds a thread, and so does one that is refused; the rest stays free for images, parameters and
transitions."""
_REPEAT_ERROR_S = 5.0
MISMATCH_S = 1.0
"""Seconds of images without a camera_info of theirs until that is told."""


class SpatialNode(LifecycleNode):
    """Sees through a camera topic, publishes what it sees and answers questions about it."""

    def __init__(self, **options: Any) -> None:
        """``options`` go to LifecycleNode. Raises ValueError for a wrong parameter."""
        super().__init__("spatial_node", **options)
        self._engine: Engine | None = None
        self._worker: Worker[CameraItem] | None = None
        self._inputs: CameraInputs | None = None
        self._outputs: SpatialOutputs | None = None
        self._questions: QuestionServer | None = None
        self._transforms: CameraTransforms | None = None
        self._keyframes = Keyframes()
        self._views = 0
        """Of the newest scene."""
        self._frames: FrameMaker | None = None
        self._depth: DepthInput | None = None
        self._arrived_ns = self._newest_ns = 0
        """Stamps of the newest image, and of the newest that was looked at together with others."""
        self._statistics = Statistics()
        self._state, self._quiet = "unconfigured", ""
        self._warned: dict[str, float] = {}
        declare(self, SPATIAL_SETTINGS, configured=lambda: self._engine is not None)
        self._question_group = LimitedCallbackGroup(WAITING_QUESTIONS + 1)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._time = TimeWatch(self, on_jump_back=self._begin_anew)
        # Steady: with `use_sim_time` and no /clock the node must still say what it waits for.
        self.create_timer(1.0, self._report, callback_group=MutuallyExclusiveCallbackGroup(), clock=STEADY)

    def setting(self, name: str) -> Any:
        """The present value of a parameter."""
        return self.get_parameter(name).value

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the student, warms it up and makes publishers, service and topics."""
        if not self._succeeds("configured", self._configure):
            self._release()
            return TransitionCallbackReturn.FAILURE
        self._state = "inactive"
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts the worker, then lets images in."""
        if not self._succeeds("activated", self._activate):
            self._stop()
            return TransitionCallbackReturn.FAILURE
        self._state = "active"
        self.get_logger().info(f"active; peak memory {peak_rss_mib():.0f} MiB")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops looking; the student stays loaded."""
        self._stop()
        self._state = "inactive"
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lets go of the student."""
        self._release()
        self._state = "unconfigured"
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stops and lets go of everything."""
        self._stop()
        self._release()
        self._state = "finalized"
        return super().on_shutdown(state)

    def start(self) -> bool:
        """Configures and activates without a lifecycle manager; False when that failed (the log says why)."""
        return all(
            step() == TransitionCallbackReturn.SUCCESS for step in (self.trigger_configure, self.trigger_activate)
        )

    def close(self) -> None:
        """Ends the worker, whatever state the node is in; for the end of the process."""
        self._stop()

    def _configure(self) -> None:
        started = time.monotonic()
        with lasting_objects():
            self._engine = Engine.from_pretrained(
                self.setting("model") or None,
                device=self.setting("device"),
                threads=self.setting("threads") or None,
                precision=self.setting("precision"),
                compiled=self.setting("compile"),
                backend=self.setting("backend"),
                execution_provider=self.setting("execution_provider"),
            )
            self._engine.warm_up()
        trim_heap()  # of what loading needed
        self.get_logger().info(f"{self._engine.describe()}; loaded in {time.monotonic() - started:.1f} s")
        if not self._engine.is_metric:
            relative = "~/depth/relative has it" if self.setting("relative_depth") else "`relative_depth` publishes it"
            self.get_logger().warning(
                "this student's depth has no metric scale: depth, points, boxes and markers, which are in metres, are "
                f"not published; {relative} as it is"
            )
        if self._engine.takes_depth and not self.setting("depth_input"):
            raise ValueError(
                "this student takes a depth image beside the picture: set `depth_input` to true and remap `depth` to a "
                "depth image that is registered to `image`, or choose another `model`"
            )
        self._outputs = SpatialOutputs(self, self.setting)
        self._transforms = CameraTransforms(self, **{name: self.setting(name) for name in FRAME_SETTINGS})
        self._questions = QuestionServer(
            self,
            group=self._question_group,
            outputs=self._outputs,
            statistics=self._statistics,
            transform=self._transforms.find,
        )
        if not messages.HAVE_INTERFACES:
            self.get_logger().warning(
                "distill3d_interfaces is not built: no service ~/ask and no ~/objects; "
                "questions on ~/question get a text on ~/answer. `make setup` builds it"
            )

    def _activate(self) -> None:
        assert self._engine is not None
        assert self._questions is not None
        assert self._transforms is not None
        self._keyframes = Keyframes()
        self._arrived_ns = self._newest_ns = 0
        if self.setting("depth_input"):
            group = MutuallyExclusiveCallbackGroup()
            self._depth = DepthInput(self, reliability=self.setting("reliability"), group=group)
        self._frames = FrameMaker(self, setting=self.setting, transforms=self._transforms, depth=self._depth)
        self._worker = Worker(
            perceive=self._perceive,
            ask=self._ask,
            on_scene=self._publish,
            on_error=self._on_frame_error,
            standing_questions=self._questions.standing_questions,
            on_standing=self._questions.publish_standing,
            min_period=self._min_period,
            wanted=self._wanted,
            inspect=self._inspect,
            clock=self._time.seconds,
            max_waiting=WAITING_QUESTIONS,
            kept=self.setting("frames_kept"),
        )
        self._worker.start()
        self._questions.open(self._worker)
        self._inputs = CameraInputs(
            self,
            compressed=self.setting("image_transport") == "compressed",
            reliability=self.setting("reliability"),
            on_item=self._take,
        )

    def _succeeds(self, what: str, action: Callable[[], None]) -> bool:
        """Whether it went without an exception, which rclpy would drop without a word; the log then tells it."""
        try:
            action()
        except Exception as error:
            self.get_logger().error(f"cannot be {what}: {error}")
            self._statistics.failed(str(error))
            return False
        return True

    def _stop(self) -> None:
        if self._inputs is not None:
            self._inputs.close()
        if self._questions is not None:
            self._questions.shut()
        if self._worker is not None and not self._worker.stop():
            self.get_logger().warning("the student is still busy with a frame after 10 s")
        if self._depth is not None:
            self._depth.close()
        self._inputs = self._worker = self._depth = None

    def _release(self) -> None:
        for part in (self._questions, self._outputs, self._transforms):
            if part is not None:
                part.close()
        self._engine = self._questions = self._outputs = self._transforms = None

    def _perceive(self, item: CameraItem) -> tuple[Frame, Scene]:
        assert self._engine is not None
        assert self._frames is not None
        started = time.monotonic()
        several = self.setting("views") > 1
        frame = self._frames.frame(item, with_pose=several)
        views = [frame]
        if several and item.stamp_ns >= self._newest_ns:  # a question may ask for an earlier one, which stands alone
            self._newest_ns = item.stamp_ns
            views = self._keyframes.together(frame, self.setting("views"), memory_s=self.setting("view_memory"))
        self._statistics.took("decode", 1e3 * (time.monotonic() - started))
        started = time.monotonic()
        scene = self._engine.perceive(views, quarter_turns=self._frames.quarter_turns(), scale_by_depth=True)
        self._views = scene.views
        self._statistics.took("perceive", 1e3 * (time.monotonic() - started))
        return frame, scene

    def _inspect(self, item: CameraItem) -> None:
        """So that what is wrong with the images is known though nobody wants to know what they show."""
        assert self._frames is not None
        self._frames.frame(item)

    def _take(self, item: CameraItem) -> None:
        """An image has come."""
        assert self._worker is not None
        stamp_ns = item.stamp_ns
        if stamp_ns < self._arrived_ns - JUMP_NS:
            self._begin_anew()
        self._arrived_ns = stamp_ns
        self._worker.submit(item, stamp_ns=stamp_ns, age_s=self._time.age_of(stamp_ns))

    def _begin_anew(self) -> None:
        """A bag loops or a simulator was reset: what is known is of another time."""
        self.get_logger().info("time went back: earlier images and transforms are forgotten")
        self._arrived_ns = self._newest_ns = 0
        self._keyframes = Keyframes()
        for part in (self._transforms, self._depth):
            if part is not None:
                part.clear()
        if self._worker is not None:
            self._worker.forget()

    def _wanted(self) -> bool:
        """Whether somebody wants to know what every image shows."""
        if not self.setting("on_demand"):
            return True
        assert self._outputs is not None
        assert self._questions is not None
        return self._outputs.wanted() or bool(self._questions.standing_questions())

    def _ask(self, scene: Scene, question: str) -> Answer:
        assert self._engine is not None
        least: float = self.setting("min_confidence")
        return self._engine.ask(scene, question, min_confidence=None if least < 0 else least)

    def _publish(self, item: CameraItem, frame: Frame, scene: Scene) -> None:
        assert self._outputs is not None
        started = time.monotonic()
        self._outputs.publish_scene(frame, filter_by_score(scene, min_score=self.setting("min_score")))
        self._statistics.took("publish", 1e3 * (time.monotonic() - started))
        self._statistics.took("arrival_to_published", 1e3 * (time.monotonic() - item.arrived))
        self._statistics.frame_done()

    def _on_frame_error(self, error: Exception) -> None:
        text = f"frame left out: {error}"
        if self.context.ok():  # at Ctrl-C the context closes under the frame in hand
            self._statistics.failed(text)
            self._say_sometimes(text)

    def _min_period(self) -> float:
        rate = self.setting("max_rate")
        return 1.0 / rate if rate > 0 else 0.0

    def _say_sometimes(self, text: str) -> None:
        """The same kind of trouble at most every few seconds."""
        kind, now = re.sub(r"\d+", "", text)[:40], time.monotonic()  # "for 5 s" and "for 6 s" are the same trouble
        if now - self._warned.get(kind, float("-inf")) >= _REPEAT_ERROR_S:
            self._warned[kind] = now
            self.get_logger().warning(text)

    def _report(self) -> None:
        inputs, worker = self._inputs, self._worker
        self._quiet = self._trouble()
        if self._quiet:
            self._say_sometimes(self._quiet)
        counts = worker.counts if worker else None
        names = ("received", "processed", "dropped", "skipped", "failed", "answered")
        facts: dict[str, int | str] = {}
        if counts is not None and worker is not None and inputs is not None:
            facts = {name: getattr(counts, name) for name in names}
            facts |= {"unmatched": inputs.unmatched, "views": self._views}
            height = self._frames.height if self._frames is not None else None
            facts |= {"camera_height": "not known" if height is None else f"{height:.2f} m"}
            facts |= {"frame_age": _seconds(worker.newest_age()), "frame_delay": _seconds(self._time.delay_s)}
        engine = self._engine
        message = status_message(
            name=f"{self.get_fully_qualified_name()}: perception",
            hardware_id=engine.device_name if engine else "",
            state=self._state,
            facts=facts,
            statistics=self._statistics,
            now_ns=self._time.stamp_ns(),
            quiet=self._quiet,
        )
        self._diagnostics.publish(message)

    def _trouble(self) -> str:
        """What keeps the node from seeing, or from seeing rightly; empty for nothing."""
        inputs, transforms, depth = self._inputs, self._transforms, self._depth
        if inputs is None:
            return ""
        after_s = self.setting("quiet_after")
        if time_trouble := self._time.complaint(after_s=after_s):
            return time_trouble
        if inputs.quiet_for() > after_s:
            return inputs.complaint()
        if inputs.quiet_for() > MISMATCH_S and (mismatch := inputs.mismatch()):
            return mismatch
        if transforms is not None and (lost := transforms.complaint()):
            return lost
        return depth.complaint() if depth is not None else ""


def _seconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f} s"
