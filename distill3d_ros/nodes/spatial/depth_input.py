"""The depth images of an RGB-D camera, found by the stamp of the colour image that they are registered to."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import Image

from distill3d_ros.nodes.conversions.images import stamp_to_ns
from distill3d_ros.nodes.qos import sensor_qos
from distill3d_ros.system.ros_messages import BadMessageError, image_to_depth

NEAR_NS = 20_000_000
"""A depth image farther from the colour image's stamp is of another moment."""
PATIENCE_S = 0.1
"""A colour image waits so long for its depth, if depth comes at all."""
_KEPT = 8


class DepthInput:
    """Subscribes to `depth` and keeps the newest images of it."""

    def __init__(self, node: Node, *, reliability: str, group: Any) -> None:
        self._node = node
        self._kept: OrderedDict[int, Image] = OrderedDict()
        self._arrived = threading.Condition()
        self._found = True
        self._subscription = node.create_subscription(
            Image, "depth", self._on_depth, sensor_qos(reliability, depth=2), callback_group=group
        )

    @property
    def topic_name(self) -> str:
        return str(self._subscription.topic_name)

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def clear(self) -> None:
        """Time began anew."""
        with self._arrived:
            self._kept.clear()

    def find(self, stamp_ns: int, *, width: int, height: int) -> NDArray[np.float32] | None:
        """(H, W) metres, NaN where unknown; None where there is none of that moment.

        Raises:
            BadMessageError: it is not registered to an image of this size, or cannot be read.
        """
        with self._arrived:
            # One that did not come is not waited for again, until another comes.
            self._arrived.wait_for(lambda: self._near(stamp_ns) is not None, PATIENCE_S if self._found else 0.0)
            message = self._near(stamp_ns)
            self._found = message is not None
        if message is None:
            return None
        metres = image_to_depth(message)
        if metres.shape != (height, width):
            raise BadMessageError(
                f"depth must be registered to the image, with its {width}x{height} pixels. Got {message.width}x"
                f"{message.height} on {self.topic_name}: remap `depth` to the aligned depth, such as "
                "aligned_depth_to_color/image_raw"
            )
        metres[~np.isfinite(metres) | (metres < 0)] = np.nan
        return metres

    def complaint(self) -> str:
        """Why there is no depth though it was asked for; empty when there is."""
        if self._found:
            return ""
        seen = self._node.count_publishers(self._subscription.topic_name)
        return (
            f"no depth image on {self.topic_name} with the stamp of an image ({seen} publishers): the scale is without "
            "it. Remap `depth`"
        )

    def _near(self, stamp_ns: int) -> Image | None:
        if not self._kept:
            return None
        nearest = min(self._kept, key=lambda ns: abs(ns - stamp_ns))
        return self._kept[nearest] if abs(nearest - stamp_ns) <= NEAR_NS else None

    def _on_depth(self, message: Image) -> None:
        with self._arrived:
            self._kept[stamp_to_ns(message.header.stamp)] = message
            self._found = True
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            self._arrived.notify_all()
