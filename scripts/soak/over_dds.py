"""A spatial node in a process of its own, over DDS: fuzzed messages, hours of frames, listeners that come and go,
a camera that is unplugged, and kill -9."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rclpy
from sensor_msgs.msg import CameraInfo, Image

from distill3d_ros.nodes.client import Reply, RobotClient
from distill3d_ros.system.processes import Processes
from soak.part import Part
from soak.spoilt_messages import good_pair, spoilt_pair

ANSWER_LIMIT_S = 20.0
"""From a good frame to an answer about it or a later one, on a busy machine."""
_START_LIMIT_S = 120.0
_ASK_LIMIT_S = 10.0
_NAME = "spatial_node"
_QUESTION = "Is there a chair?"


class Rig:
    """A camera, a client, and a spatial node in a process of its own. Use it in a ``with`` block."""

    def __init__(self, model: Path | str) -> None:
        self._model, self.lines, self.refusal = model, list[str](), ""
        self._processes = Processes(on_line=lambda _, line: self.lines.append(line))
        self.client = RobotClient()

    def __enter__(self) -> Rig:
        self.client.__enter__()
        self.camera = rclpy.create_node("soak_camera")
        self._image = self.camera.create_publisher(Image, "/image", 10)
        self._info = self.camera.create_publisher(CameraInfo, "/camera_info", 10)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.stop()
        self.camera.destroy_node()
        self.client.__exit__()

    def start(self) -> None:
        """Start the node and wait for its first answer."""
        command = [sys.executable, "-m", "distill3d_ros.nodes.spatial_node", "--ros-args"]
        self._processes.start(_NAME, [*command, "-p", f"model:={self._model}", "-p", "threads:=1"])
        if self.answered_after(_START_LIMIT_S) is None:
            raise RuntimeError(
                f"{_NAME} gave no answer within {_START_LIMIT_S:.0f} s ({self.refusal}):\n"
                + "\n".join(self.lines[-20:])
            )

    def kill(self) -> None:
        os.kill(self._processes.pid(_NAME), signal.SIGKILL)
        self._processes.stop(_NAME)

    def ended(self) -> bool:
        return _NAME in self._processes.ended()

    def publish(self, pair: tuple[Image, CameraInfo]) -> None:
        self._info.publish(pair[1])
        self._image.publish(pair[0])

    def answered_after(self, limit_s: float = ANSWER_LIMIT_S) -> float | None:
        """Seconds until a question is answered about a frame published from now on; None: not within the limit."""
        since, started = self.client.now_ns(), time.monotonic()
        while time.monotonic() < started + limit_s and not self.ended():
            if not self.client.service_is_there():
                time.sleep(0.1)
                continue
            # With the stamp of a frame that comes: an earlier one is asked for by name, and refused.
            reply = self._ask_while_filming(min(_ASK_LIMIT_S, limit_s))
            if reply is not None and reply.stamp_ns >= since:
                return time.monotonic() - started
            self.refusal = "no reply" if reply is None else reply.text
        return None

    def _ask_while_filming(self, limit_s: float) -> Reply | None:
        """The reply to a question while frames come at 5 Hz; None: none came."""
        replies: list[Reply] = []
        stamp_ns = self.client.now_ns()

        def ask() -> None:
            with contextlib.suppress(TimeoutError):
                replies.append(self.client.ask(_QUESTION, stamp_ns=stamp_ns, timeout_s=limit_s))

        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive():
            self.publish(good_pair(max(stamp_ns, self.client.now_ns())))
            asking.join(0.2)
        return replies[0] if replies else None

    def rss_mib(self) -> float:
        """Resident memory of the node."""
        status = Path(f"/proc/{self._processes.pid(_NAME)}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024

    def check(self, part: Part, when: str) -> float:
        """Seconds to an answer; a fault where there is none or the node printed a traceback."""
        after = self.answered_after()
        if after is None:
            part.fault(f"no answer within {ANSWER_LIMIT_S:.0f} s {when}; last refusal: {self.refusal!r}")
        if any("Traceback" in line for line in self.lines):
            part.fault(f"a traceback {when}: {self.lines[-1][:200]!r}")
            self.lines.clear()
        return ANSWER_LIMIT_S if after is None else after


def fuzzed_over_dds(rig: Rig, count: int, *, seed: int = 1) -> Part:
    """Publishes spoilt messages; after every hundredth (and the last) a question about a good frame is answered."""
    part, rng, slowest = Part(f"{count:,} fuzzed messages, over DDS"), np.random.default_rng(seed), 0.0
    for i in range(1, count + 1):
        rig.publish(spoilt_pair(rng, rig.client.now_ns()))
        time.sleep(0.005)  # faster than any camera, slow enough for the node to look at most of them
        if i % 100 == 0 or i == count:
            slowest = max(slowest, rig.check(part, f"after message {i} of seed {seed}"))
        if rig.ended():
            break
    part.figures = {"slowest answer s": round(slowest, 2)}
    return part


def steady_memory(rig: Rig, seconds: float, *, rate: float = 10.0, most_percent: float = 2.0) -> Part:
    """Frames at ``rate`` and a question a second. Median RSS of the last quarter against that of the second.

    The first quarter fills rings, pools and allocators.
    """
    part, samples = Part(f"{seconds / 60:g} minutes at {rate:g} Hz"), list[float]()
    started, sampled, frames, perceived = time.monotonic(), 0.0, 0, len(rig.client.perceived)
    while (now := time.monotonic() - started) < seconds and not rig.ended():
        rig.publish(good_pair(rig.client.now_ns()))
        frames += 1
        if now - sampled >= min(1.0, seconds / 20):
            sampled = now
            samples.append(rig.rss_mib())
        time.sleep(max(0.0, started + frames / rate - time.monotonic()))
    quarters = [float(np.median(q)) for q in np.array_split(samples, 4)]
    growth = 100 * (quarters[3] / quarters[1] - 1)
    if growth > most_percent:
        part.fault(f"RSS grew by {growth:.1f} %: {[round(q, 1) for q in quarters]} MiB by quarter")
    rig.check(part, "at the end")
    scenes = len(rig.client.perceived) - perceived
    part.figures = {"frames": frames, "scenes": scenes, "RSS MiB": round(quarters[3], 1), "growth %": round(growth, 2)}
    return part


def listeners(rig: Rig, count: int) -> Part:
    """Subscribers to the depth image, each there for some frames, up to ten at once."""
    part, here = Part(f"{count} subscribers that come and go"), list[Any]()
    got = [0]

    def count_one(_: Image) -> None:
        got[0] += 1

    for _ in range(count):
        here.append(rig.camera.create_subscription(Image, f"/{_NAME}/depth/image", count_one, 5))
        for _ in range(3):
            rig.publish(good_pair(rig.client.now_ns()))
            rclpy.spin_once(rig.camera, timeout_sec=0.1)
        if len(here) > 10:
            rig.camera.destroy_subscription(here.pop(0))
    deadline = time.monotonic() + ANSWER_LIMIT_S  # a slow machine looks at one frame in seconds
    while not got[0] and time.monotonic() < deadline:
        rig.publish(good_pair(rig.client.now_ns()))
        rclpy.spin_once(rig.camera, timeout_sec=0.2)
    while here:
        rig.camera.destroy_subscription(here.pop())
    part.figures = {"depth images received": got[0], "answer afterwards s": round(rig.check(part, "afterwards"), 2)}
    if not got[0]:
        part.fault("no subscriber received a depth image")
    return part


def unplugged(rig: Rig, seconds: float) -> Part:
    """No frame for a while: a question about a new one is refused in time; afterwards one is answered."""
    part = Part(f"camera unplugged for {seconds:g} s and back")
    time.sleep(seconds)
    since, started = rig.client.now_ns(), time.monotonic()
    reply = rig.client.ask(_QUESTION, stamp_ns=since, timeout_s=1.0)
    refused = time.monotonic() - started
    if reply.response.success or not reply.response.message:
        part.fault(f"without a camera it answered {reply.text!r}")
    part.figures = {"refused after s": round(refused, 2), "answer once back s": round(rig.check(part, "once back"), 2)}
    return part


def killed(rig: Rig, *, timeout_s: float = 3.0) -> Part:
    """kill -9 while a question waits: the client's call ends within its limit; the restarted node answers again."""
    part, ends = Part("kill -9 with a pending question, and restart"), list[str]()

    def ask() -> None:
        try:
            ends.append(f"a reply: {rig.client.ask(_QUESTION, stamp_ns=far, timeout_s=timeout_s).text}")
        except TimeoutError:
            ends.append("TimeoutError")

    far, started = rig.client.now_ns() + 3600 * 10**9, time.monotonic()
    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    rig.kill()
    asking.join(timeout_s + 10.0)
    waited = time.monotonic() - started
    if ends != ["TimeoutError"]:
        part.fault(f"the pending question ended with {ends or 'nothing'} after {waited:.1f} s")
    elif waited > timeout_s + 4.0:
        part.fault(f"the pending question of {timeout_s} s took {waited:.1f} s to fail")
    restarted = time.monotonic()
    try:
        rig.start()
    except RuntimeError as error:  # a row of the table, too
        part.fault(str(error))
    part.figures = {
        "call failed after s": round(waited, 2),
        "answer after restart s": round(time.monotonic() - restarted, 1),
    }
    return part
