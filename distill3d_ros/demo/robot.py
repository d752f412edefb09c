"""A simulated robot for the demo and the benchmarks: camera node and spatial node as processes, and a client."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill3d_ros.system.environment import ros_environment
from distill3d_ros.system.launch_runner import LaunchNode
from distill3d_ros.system.memory import peak_rss_mib_of
from distill3d_ros.system.processes import Processes

if TYPE_CHECKING:
    from distill3d_ros.nodes.client import RobotClient

START_LIMIT_S = 240.0
"""The first scene must be there after so many seconds: loading the student on a busy machine takes some."""
CAMERA: Mapping[str, Any] = {"rate": 10.0, "frames": 40, "width": 640, "height": 480, "horizontal_fov": 65.0}
_TROUBLE = ("[WARN]", "[ERROR]", "[FATAL]", "Error", "error:")


class RobotError(RuntimeError):
    """A node ended or does not answer; the message has its last output."""


def own_domain() -> int:
    """Settle this process, and those it starts, in a ROS domain of their own. Call it before rclpy is imported."""
    # Above 101 the domain's ports may be given away by the system.
    domain = 1 + os.getpid() % 100
    os.environ.update(ros_environment(domain=domain, localhost=True))
    return domain


class SimulatedRobot:
    """Both nodes and a client of theirs. Use it in a ``with`` block, whose end ends them all."""

    def __init__(
        self,
        *,
        model: Path | None = None,
        backend: str = "torch",
        on_line: Callable[[str, str, bool], None] = lambda name, line, trouble: None,
        on_message: Callable[[str, Any], None] | None = None,
    ) -> None:
        """
        Args:
            model: folder of the student; None for the packaged one.
            backend: what computes it, the node's parameter.
            on_line: gets every line the nodes print: the node's name, the line, whether it tells of trouble.
            on_message: see RobotClient.
        """
        self._parameters = {"backend": backend} | ({"model": str(model)} if model else {})
        self._on_line, self._on_message = on_line, on_message
        self._tail: deque[str] = deque(maxlen=12)
        self._stack = contextlib.ExitStack()
        self._driving = False
        self.client: RobotClient

    def __enter__(self) -> SimulatedRobot:
        from distill3d_ros.nodes.client import RobotClient

        with contextlib.ExitStack() as stack:
            self._processes = stack.enter_context(Processes(on_line=self._read_line))
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="distill3d_")))
            self.client = stack.enter_context(RobotClient(on_message=self._on_message))
            self._start("spatial_node", self._parameters)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: Any) -> None:
        self._stack.__exit__(*details)

    def drive(self, **room: Any) -> None:
        """Drive through a room (``seed``, ``room_type``, ``split``); returns when the first scene is understood.

        Raises:
            RobotError: a node ended, or no scene came in time.
        """
        if self._driving:
            self._processes.stop("camera_node")
            self.client.forget()
        self._driving = True
        self._start("camera_node", {"source": "drive", **CAMERA, **room})
        deadline = time.monotonic() + START_LIMIT_S
        while not (self.client.service_is_there() and self.client.newest() is not None):
            self.check()
            if time.monotonic() > deadline:
                raise RobotError(f"no scene from the spatial node after {START_LIMIT_S:.0f} s" + self.recent_output())
            time.sleep(0.05)

    def check(self) -> None:
        """Raises RobotError when a node, or the client, has ended."""
        for name, status in self._processes.ended().items():
            raise RobotError(f"{name} ended with exit status {status}" + self.recent_output())
        if self.client.error is not None:
            raise RobotError(f"the client failed: {self.client.error}")

    def wait_for_round(self, limit_s: float = 30.0) -> None:
        """Until the camera has made its first round: it renders that one, and repeats it at no cost from then on."""
        deadline = time.monotonic() + limit_s
        while self.client.truths_received < CAMERA["frames"] + 1 and time.monotonic() < deadline:
            self.check()
            time.sleep(0.05)

    def first_answer_s(self, question: str) -> float:
        """Seconds from a new start of the spatial node's process to its first answer, while the camera goes on.

        Raises:
            RobotError: a node ended, or the old one stays on the network.
            TimeoutError: no answer in time.
        """
        self._processes.stop("spatial_node")
        self._wait_for_service(False)
        begin = time.monotonic()
        self._start("spatial_node", self._parameters)
        self._wait_for_service(True)
        self.client.ask(question, timeout_s=START_LIMIT_S)
        return time.monotonic() - begin

    def _wait_for_service(self, there: bool) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while self.client.service_is_there() is not there:
            self.check()
            if time.monotonic() > deadline:
                state = "not there" if there else "still there"
                raise RobotError(f"~/ask is {state} after {START_LIMIT_S:.0f} s" + self.recent_output())
            time.sleep(0.01)

    def perception_rate(self, seconds: float) -> float:
        """Scenes a second over the next ``seconds``."""
        begin = time.monotonic()
        time.sleep(seconds)
        return sum(begin <= t <= begin + seconds for t in list(self.client.perceived)) / seconds

    def peak_memory_mib(self) -> float:
        """MiB of memory that the spatial node held at most so far."""
        return peak_rss_mib_of(self._processes.pid("spatial_node"))

    def recent_output(self) -> str:
        return "; the nodes' last lines:\n  " + "\n  ".join(self._tail) if self._tail else ""

    def _start(self, executable: str, parameters: dict[str, Any]) -> None:
        node = LaunchNode(package="distill3d_ros", executable=executable, name=executable, parameters=parameters)
        self._processes.start(executable, node.command(self._folder))

    def _read_line(self, name: str, line: str) -> None:
        self._tail.append(f"{name}: {line}")
        self._on_line(name, line, any(word in line for word in _TROUBLE))
