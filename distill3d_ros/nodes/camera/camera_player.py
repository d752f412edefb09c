"""The camera node: plays frames of any source as image and camera_info."""

from __future__ import annotations

import json
import math
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from distill3d_ros.nodes.camera.sources import Shot, bag_shots, folder_shots
from distill3d_ros.nodes.camera.transforms import CameraTransformBroadcaster
from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.images import depth_to_image, rgb_to_compressed, rgb_to_image
from distill3d_ros.nodes.parameters import CAMERA_SETTINGS, declare
from distill3d_ros.nodes.qos import output_qos, sensor_qos

_KEPT_BYTES = 384 * 2**20
"""A round of frames that fits in here is kept, so that the next round costs the machine nothing."""


class Player:
    """Makes shots in a thread of its own, ahead of the one who takes them, round after round if wanted."""

    def __init__(self, make: Callable[[], Iterator[Shot]], *, loop: bool, ahead: int = 4) -> None:
        self._make, self._loop = make, loop
        self._queue: queue.Queue[Shot | None] = queue.Queue(ahead)
        self._stop = threading.Event()
        self.error: Exception | None = None
        """Why the shots ended early."""
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    def take(self) -> Shot | None:
        """The next shot; None after the last.

        Raises:
            queue.Empty: it is not ready yet.
        """
        return self._queue.get_nowait()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        try:
            kept = self._play(self._make())
            while self._loop and not self._stop.is_set():
                kept = self._play(iter(kept) if kept else self._make())
        except Exception as error:  # whatever a source raises is reported by the node
            self.error = error
        self._put(None)

    def _play(self, shots: Iterator[Shot]) -> list[Shot]:
        """Hands the shots out; returns them if they are few enough to keep."""
        kept: list[Shot] = []
        size = played = 0
        for shot in shots:
            if self._stop.is_set():
                return []
            played += 1
            size += shot.nbytes
            if size <= _KEPT_BYTES:
                kept.append(shot)
            self._put(shot)
        return kept if len(kept) == played else []

    def _put(self, shot: Shot | None) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(shot, timeout=0.1)
            except queue.Full:
                continue


class CameraNode(Node):
    """Publishes `image` (or `image/compressed`) and `camera_info`; tf and the truth of simulated frames."""

    def __init__(self, **options: Any) -> None:
        """``options`` go to Node. Raises ValueError for a wrong parameter."""
        super().__init__("camera_node", **options)
        self.finished = threading.Event()
        self._player: Player | None = None
        declare(self, CAMERA_SETTINGS, configured=lambda: self._player is not None)
        qos = sensor_qos(self.setting("reliability"))
        self._compressed = self.setting("compressed")
        kind: Any = CompressedImage if self._compressed else Image
        self._image = self.create_publisher(kind, "image/compressed" if self._compressed else "image", qos)
        self._info = self.create_publisher(CameraInfo, "camera_info", qos)
        self._truth = self.create_publisher(String, "~/truth", output_qos(10))
        self._truth_depth = self.create_publisher(Image, "~/truth/depth", output_qos())
        self._transforms = CameraTransformBroadcaster(self, self.setting("frame_id"))
        self._player = Player(self._source(), loop=self.setting("loop"))
        self._published = 0
        self._timer = self.create_timer(1.0 / self.setting("rate"), self._tick)
        self._rate = self.setting("rate")

    def setting(self, name: str) -> Any:
        """The present value of a parameter."""
        return self.get_parameter(name).value

    def close(self) -> None:
        if self._player is not None:
            self._player.close()

    @property
    def failure(self) -> str:
        """The reason why the frames ended; empty when all were played."""
        return "" if self._player is None or self._player.error is None else str(self._player.error)

    def _source(self) -> Callable[[], Iterator[Shot]]:
        kind, path = self.setting("source"), Path(self.setting("path")).expanduser()
        if kind != "drive" and not self.setting("path"):
            raise ValueError(f"parameter 'path' must name the {kind} to play. Got ''")

        def warn(text: str) -> None:
            self.get_logger().warning(text)

        def say(text: str) -> None:
            self.get_logger().info(text)

        fov = math.radians(self.setting("horizontal_fov"))
        if kind == "folder":
            return lambda: folder_shots(path, horizontal_fov=fov, warn=warn)
        if kind == "bag":
            return lambda: bag_shots(path, image_topic=self.setting("image_topic"), warn=warn)
        from distill3d_ros.nodes.camera.simulation import drive_shots  # renders; the others do without

        options = {name: self.setting(name) for name in ("seed", "room_type", "split", "frames", "width", "height")}
        return lambda: drive_shots(**options, horizontal_fov=fov, say=say, warn=warn)

    def _tick(self) -> None:
        if self._rate != self.setting("rate"):
            self._rate = self.setting("rate")
            self._timer.timer_period_ns = int(1e9 / self._rate)
        if self._published == 0 and self._image.get_subscription_count() < self.setting("start_subscribers"):
            return
        assert self._player is not None
        try:
            shot = self._player.take()
        except queue.Empty:  # the source is slower than the rate
            return
        if shot is not None:
            try:
                self._publish(shot)
            except Exception:
                if self.context.ok():  # else the node is being ended in the middle of a frame, which is no error
                    raise
            return
        self._timer.cancel()
        if self.failure:
            self.get_logger().error(f"no more frames: {self.failure}")
        else:
            self.get_logger().info(f"all {self._published} frames were published")
        self.finished.set()
        self.context.try_shutdown()

    def _publish(self, shot: Shot) -> None:
        if self._published == 0:
            k = shot.frame.intrinsics
            self.get_logger().info(
                f"first frame: {k.width}x{k.height}, {math.degrees(k.horizontal_fov):.0f} degrees wide, "
                f"on {self._image.topic_name}"
            )
        self._published += 1
        stamp_ns, frame_id = self.get_clock().now().nanoseconds, self.setting("frame_id")
        where = {"stamp_ns": stamp_ns, "frame_id": frame_id}
        self._transforms.send(shot.frame, stamp_ns)
        self._info.publish(info_from(shot.frame.intrinsics, **where))
        if shot.truth is not None:  # before the image, so that nobody has an answer before the truth
            self._truth.publish(String(data=json.dumps(replace(shot.truth, **where).to_dict())))
            if shot.truth.depth is not None and self._truth_depth.get_subscription_count():
                self._truth_depth.publish(depth_to_image(shot.truth.depth, **where))
        convert: Any = rgb_to_compressed if self._compressed else rgb_to_image
        self._image.publish(convert(shot.frame.image, **where))
