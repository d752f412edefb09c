"""A node process that is surely ended, and a robot that publishes images, listens and asks, for tests over DDS."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from distill3d_ros.nodes.conversions import messages
from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.images import rgb_to_image, set_stamp, stamp_to_ns
from distill3d_ros.scene.frame import Intrinsics

LIMIT_S = 60.0
"""No single wait in these tests is longer, but for the start of a process."""
START_LIMIT_S = 100.0
"""Importing torch takes three seconds of one core, which is long where many processes share it."""


def until(condition: Callable[[], Any], limit: float = LIMIT_S, what: str = "it") -> Any:
    """The condition's value once it is true."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not happen within {limit} s"
        time.sleep(0.01)


class NodeProcess:
    """`spatial_node` or `camera_node` as a process of its own."""

    def __init__(self, executable: str, parameters: dict[str, Any], *extra: str) -> None:
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={_yaml(value)}")]
        command = [sys.executable, "-m", f"distill3d_ros.nodes.{executable}", "--ros-args", *arguments, *extra]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(lambda: self.process.stdout.readline(), ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def says(self, text: str, limit: float = START_LIMIT_S) -> str:
        """The first line with ``text`` in it."""

        def found() -> str | None:
            assert self.process.poll() is None or text in self.output, f"ended without {text!r}:\n{self.output}"
            return next((line for line in list(self.lines) if text in line), None)

        return until(found, limit, f"{text!r} in\n{self.output}")

    def interrupt(self, number: int = signal.SIGINT, limit: float = LIMIT_S) -> int:
        """Sends a signal; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait(limit)

    def wait(self, limit: float = START_LIMIT_S) -> int:
        status = self.process.wait(limit)
        self._reader.join(5.0)
        return status

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5.0)
        self._reader.join(5.0)
        assert self.process.stdout is not None
        self.process.stdout.close()


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return f"'{value}'" if isinstance(value, (str, Path)) else str(value)


class Robot:
    """Publishes images with their camera_info, keeps what it receives by topic, calls services."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = Node("robot")
        self.image = self.node.create_publisher(Image, "image", 10)
        self.info = self.node.create_publisher(CameraInfo, "camera_info", 10)
        self.received: dict[str, list[Any]] = {}
        self._subscriptions: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        self._jobs: queue.Queue[Callable[[], None]] = queue.Queue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        while not self._stop.is_set():
            executor.spin_once(timeout_sec=0.02)
            while not self._jobs.empty():  # entities are made in the thread that waits on them
                self._jobs.get()()
        executor.shutdown()

    def _do(self, job: Callable[[], Any]) -> Any:
        done: queue.Queue[Any] = queue.Queue()
        self._jobs.put(lambda: done.put(job()))
        return done.get(timeout=LIMIT_S)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5.0)
        self.node.destroy_node()
        rclpy.try_shutdown()

    def listen(self, kind: Any, topic: str, *, best_effort: bool = False) -> None:
        reliability = ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE
        qos = QoSProfile(depth=10, reliability=reliability, durability=DurabilityPolicy.VOLATILE)
        messages = self.received.setdefault(topic, [])
        make = lambda: self.node.create_subscription(kind, topic, messages.append, qos)  # noqa: E731
        self._subscriptions[topic] = self._do(make)

    def stop_listening(self, topic: str) -> None:
        self._do(lambda: self.node.destroy_subscription(self._subscriptions.pop(topic)))

    def with_stamp(self, topic: str, stamp_ns: int) -> Any:
        return next((m for m in list(self.received[topic]) if stamp_to_ns(m.header.stamp) == stamp_ns), None)

    def call(self, kind: Any, name: str, request: Any, limit: float = LIMIT_S) -> Any:
        return self.call_later(kind, name, request)(limit)

    def call_later(self, kind: Any, name: str, request: Any) -> Callable[[float], Any]:
        if name not in self._clients:
            qos = QoSProfile(depth=200)
            self._clients[name] = self._do(lambda: self.node.create_client(kind, name, qos_profile=qos))
        client = self._clients[name]
        assert client.wait_for_service(LIMIT_S), f"no service {name}"
        future = client.call_async(request)

        def result(limit: float = LIMIT_S) -> Any:
            until(future.done, limit, f"the reply of {name}")
            return future.result()

        return result

    def make_client(self, kind: Any, name: str, *, depth: int) -> Any:
        """A client of its own; ``call_async`` of it may be used from any thread."""
        return self._do(lambda: self.node.create_client(kind, name, qos_profile=QoSProfile(depth=depth)))

    def now_ns(self) -> int:
        return self.node.get_clock().now().nanoseconds

    def show(
        self, *, width: int = 64, height: int = 48, shade: int = 100, spoil: Callable[[Any, Any], None] | None = None
    ) -> int:
        """Publishes one frame, spoilt by ``spoil(image, info)`` if given; its stamp."""
        stamp_ns = self.now_ns()
        picture = np.full((height, width, 3), shade, np.uint8)
        picture[: height // 2, : width // 2] = 255 - shade
        image = rgb_to_image(picture, stamp_ns=stamp_ns, frame_id="camera")
        camera = Intrinsics.from_fov(width=width, height=height, horizontal_fov=1.0)
        info = info_from(camera, stamp_ns=stamp_ns, frame_id="camera")
        if spoil is not None:
            spoil(image, info)
        self.info.publish(info)
        self.image.publish(image)
        return stamp_ns


def ask_spatial(robot: Robot, question: str, *, stamp_ns: int = 0, timeout: float = 0.0) -> Any:
    """The spatial node's response."""
    request = messages.AskSpatial.Request(question=question)
    set_stamp(request.stamp, stamp_ns)
    set_stamp(request.timeout, round(timeout * 1e9))
    return robot.call(messages.AskSpatial, "/spatial_node/ask", request)


def set_parameter(robot: Robot, name: str, **value: Any) -> Any:
    """The spatial node's result of setting a parameter."""
    request = SetParametersAtomically.Request(parameters=[Parameter(name=name, value=ParameterValue(**value))])
    return robot.call(SetParametersAtomically, "/spatial_node/set_parameters_atomically", request).result


def picture_folder(folder: Path, count: int = 3) -> Path:
    """Small pictures for the camera node."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((48, 64, 3), 40 * i + 20, np.uint8))
    return folder
