"""Which way is up in a camera's image, from tf where there is one."""

from __future__ import annotations

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from distill3d_ros.scene.frame import FloatArray

try:
    from tf2_ros import Buffer, TransformException, TransformListener
except ImportError:
    Buffer = None


class Gravity:
    """Looks the z axis of an upright frame up in the camera's frame, at the image's stamp."""

    def __init__(self, node: Node, upright_frame: str) -> None:
        """``upright_frame``: z points up in it (REP 105's base_link, odom or map); empty for no tf at all."""
        self._node, self._frame = node, upright_frame
        self._buffer = self._listener = None
        self._said = False
        if upright_frame and Buffer is None:
            node.get_logger().info("tf2_ros is not installed: the camera's tilt is the student's estimate or `up`")
        elif upright_frame:
            self._buffer = Buffer()
            self._listener = TransformListener(self._buffer, node)

    def up(self, camera_frame: str, stamp_ns: int) -> FloatArray | None:
        """(3,) unit vector in the optical frame; None when tf does not say."""
        if self._buffer is None:
            return None
        try:
            transform = self._buffer.lookup_transform(
                camera_frame, self._frame, Time(nanoseconds=stamp_ns), timeout=Duration(seconds=0.05)
            )
        except TransformException as error:
            if not self._said:
                self._said = True
                self._node.get_logger().warning(
                    f"no transform from gravity_frame '{self._frame}' to '{camera_frame}': {error}; "
                    "the camera's tilt is the student's estimate or the parameter `up`"
                )
            return None
        q = transform.transform.rotation
        # Third column of the rotation matrix: the upright frame's z axis in camera coordinates.
        up = np.array([2 * (q.x * q.z + q.w * q.y), 2 * (q.y * q.z - q.w * q.x), 1 - 2 * (q.x * q.x + q.y * q.y)])
        return up / np.linalg.norm(up)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.unregister()
        self._buffer = self._listener = None
