"""A client of the two nodes: collects what they publish, keeps together what belongs to one image, and asks."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from distill3d_interfaces.msg import SpatialAnswer, SpatialObjectArray
from distill3d_interfaces.srv import AskSpatial
from distill3d_ros.nodes.conversions.images import set_stamp, stamp_to_ns
from distill3d_ros.nodes.conversions.messages import value_from
from distill3d_ros.questions.answer import Value
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

KEPT_MOMENTS = 2000
KEPT_IMAGES = 40
"""Older moments keep what is small: an answer may take long on a busy machine, and its truth must still be there."""


@dataclass(slots=True)
class Moment:
    """The messages that carry one stamp."""

    stamp_ns: int
    image: Image | None = None
    camera_info: CameraInfo | None = None
    truth: String | None = None
    truth_depth: Image | None = None
    depth: Image | None = None
    objects: SpatialObjectArray | None = None
    arrived: dict[str, float] = field(default_factory=dict)
    """Name of a part -> time.monotonic() of its arrival."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply of the service."""

    response: AskSpatial.Response
    stamp_ns: int
    """Of the image that the answer is about."""
    round_trip_ms: float
    """From the request to its reply."""

    @property
    def text(self) -> str:
        """The answer, or why there is none."""
        return str(self.response.answer if self.response.success else self.response.message)

    @property
    def value(self) -> Value | None:
        """The answer for a program: yes or no, a count, metres, a label, a place; None where there is none."""
        return value_from(self.response)

    @property
    def object_ids(self) -> tuple[int, ...]:
        return tuple(o.id for o in self.response.objects)

    def to_message(self, question: str) -> SpatialAnswer:
        """As the node would have put it on ~/answer."""
        names = self.response.get_fields_and_field_types()
        return SpatialAnswer(question=question, **{name: getattr(self.response, name) for name in names})


class RobotClient:
    """A ROS node for programs that talk to a camera node and a spatial node. Use it in a ``with`` block."""

    def __init__(
        self,
        *,
        camera: str = "/camera_node",
        spatial: str = "/spatial_node",
        on_message: Callable[[str, Any], None] | None = None,
    ) -> None:
        """``on_message(part, message)`` is called in the client's thread with every message."""
        self._camera, self._spatial, self._on_message = camera, spatial, on_message
        self._moments: OrderedDict[int, Moment] = OrderedDict()
        self._lock = threading.Condition()
        self.perceived: list[float] = []
        """time.monotonic() of every scene that the spatial node published."""
        self.truths_received = 0
        """Since the last ``forget``."""
        self.error: Exception | None = None
        """What ended the client's thread early."""

    def __enter__(self) -> RobotClient:
        # Ctrl-C stays Python's, so that it reaches the program in the middle of anything.
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("distill3d_client")
        newest = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        every = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=20, reliability=ReliabilityPolicy.RELIABLE)
        self._subscribe("image", Image, "/image", newest)
        self._subscribe("camera_info", CameraInfo, "/camera_info", newest)
        self._subscribe("truth", String, f"{self._camera}/truth", every)
        self._subscribe("truth_depth", Image, f"{self._camera}/truth/depth", every)
        self._subscribe("depth", Image, f"{self._spatial}/depth/image", every)
        self._subscribe("objects", SpatialObjectArray, f"{self._spatial}/objects", every)
        self._subscribe("answer", SpatialAnswer, f"{self._spatial}/answer", every)
        self._service: Any = self._node.create_client(AskSpatial, f"{self._spatial}/ask")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="client", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self._thread.join(5.0)
        self._node.destroy_node()
        rclpy.try_shutdown()

    def newest(self, *, since_ns: int = 0) -> Moment | None:
        """The newest moment of which both the truth and what the spatial node made of it are known."""
        with self._lock:
            for moment in reversed(self._moments.values()):
                if moment.truth is not None and moment.objects is not None and moment.stamp_ns >= since_ns:
                    return moment
        return None

    def moment(self, stamp_ns: int, *needed: str, timeout_s: float = 2.0) -> Moment | None:
        """The moment of a stamp, as soon as its ``needed`` parts have come; None if they do not in time."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            while True:
                moment = self._moments.get(stamp_ns)
                if moment is not None and all(getattr(moment, part) is not None for part in needed):
                    return moment
                if not self._lock.wait(deadline - time.monotonic()):
                    return None

    def forget(self) -> None:
        """Drop all moments, as when the camera moves to another place."""
        with self._lock:
            self._moments.clear()
            self.truths_received = 0

    def now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def service_is_there(self) -> bool:
        return bool(self._service.service_is_ready())

    def ask(self, question: str, *, stamp_ns: int = 0, timeout_s: float = 10.0) -> Reply:
        """Ask about the newest image, not older than ``stamp_ns``.

        Raises:
            TimeoutError: no reply in time.
        """
        request = AskSpatial.Request(question=question)
        set_stamp(request.stamp, stamp_ns)
        request.timeout.sec, request.timeout.nanosec = int(timeout_s), int(timeout_s % 1 * 1e9)
        done = threading.Event()
        started = time.monotonic()
        future = self._service.call_async(request)
        future.add_done_callback(lambda _: done.set())
        # A little longer than the node's own limit, so that the node can say what it waited for.
        if not done.wait(timeout_s + 2.0):
            self._service.remove_pending_request(future)
            raise TimeoutError(f"no reply from {self._spatial}/ask after {timeout_s + 2.0:.0f} s")
        round_trip_ms = 1e3 * (time.monotonic() - started)
        response: Any = future.result()
        return Reply(response=response, stamp_ns=stamp_to_ns(response.header.stamp), round_trip_ms=round_trip_ms)

    def _subscribe(self, part: str, kind: type, topic: str, qos: QoSProfile) -> None:
        def received(message: Any) -> None:
            if part == "objects":
                self.perceived.append(time.monotonic())
            self.truths_received += part == "truth"
            if part != "answer":
                self._keep(part, message)
            if self._on_message is not None:
                self._on_message(part, message)

        self._node.create_subscription(kind, topic, received, qos)

    def _keep(self, part: str, message: Any) -> None:
        # The truth travels as text with its stamp inside.
        stamp_ns = truth_stamp(message) if part == "truth" else stamp_to_ns(message.header.stamp)
        with self._lock:
            moment = self._moments.setdefault(stamp_ns, Moment(stamp_ns))
            setattr(moment, part, message)
            moment.arrived[part] = time.monotonic()
            if len(self._moments) > KEPT_IMAGES:
                old = next(itertools.islice(reversed(self._moments.values()), KEPT_IMAGES, None))
                old.image = old.depth = old.truth_depth = None
            while len(self._moments) > KEPT_MOMENTS:
                self._moments.popitem(last=False)
            self._lock.notify_all()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
        except Exception as error:  # kept for the caller's thread, which would wait in vain
            self.error = error


def truth_stamp(message: String) -> int:
    """The stamp in a truth message, read without parsing the rest."""
    _, _, tail = message.data.partition('"stamp_ns":')
    digits = tail.lstrip().split(",", 1)[0].rstrip("} ")
    if not digits.isdigit():
        raise ValueError(f"a truth message must have stamp_ns. Got {message.data[:80]!r}")
    return int(digits)


def scene_from(message: SpatialObjectArray, truth: Scene, *, depth: FloatArray | None = None) -> Scene:
    """The spatial node's result as a scene; camera and level frame are those of ``truth``."""
    return Scene(
        objects=tuple(_object_from(o, truth.level_from_optical) for o in message.objects),
        intrinsics=truth.intrinsics,
        level_from_optical=truth.level_from_optical,
        depth=depth,
        stamp_ns=stamp_to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
    )


def _object_from(message: Any, level_from_optical: FloatArray) -> SceneObject:
    p, q = message.pose.position, message.pose.orientation
    own_z = np.array([2 * (q.x * q.z + q.w * q.y), 2 * (q.y * q.z - q.w * q.x), 1 - 2 * (q.x**2 + q.y**2)])
    facing = level_from_optical @ own_z  # (3,) the box's own z axis
    box = Box3D(
        center=level_from_optical @ np.array([p.x, p.y, p.z]),
        size=np.array([message.size.x, message.size.y, message.size.z]),
        yaw=math.atan2(facing[0], facing[2]),
    )
    return SceneObject(id=message.id, label=message.label, box=box, score=message.score)
