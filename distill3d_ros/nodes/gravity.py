"""Which way is up in a camera's image, from tf.

tf2_ros does the looking up where it is installed. Elsewhere (the Python wheels of ROS 2 have no tf2) a small listener
follows the rotations itself: gravity needs no more than those.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time

from distill3d_ros.nodes.conversions import stamp_to_ns
from distill3d_ros.scene.frame import FloatArray

try:
    from tf2_ros import Buffer, TransformException, TransformListener

    TF_STATE = "tf2_ros"
except ImportError:
    TF_STATE = "none"
    try:
        from tf2_msgs.msg import TFMessage

        TF_STATE = "own listener"
    except ImportError:
        pass

STALE_NS = 500_000_000
"""A moving transform this far from the image's stamp says nothing about it."""
_KEPT = 200


class NoTransformError(RuntimeError):
    """tf does not connect the two frames at that time."""


class Rotations(Protocol):
    def up(self, camera_frame: str, upright_frame: str, stamp_ns: int) -> FloatArray:
        """(3,) z axis of the upright frame in the camera's frame. Raises NoTransformError."""

    def close(self) -> None: ...


class Gravity:
    """Looks the z axis of an upright frame up in the camera's frame, at the image's stamp."""

    def __init__(self, node: Node, upright_frame: str) -> None:
        """``upright_frame``: z points up in it (REP 105's base_link, odom or map); empty for no tf at all."""
        self._node, self._frame = node, upright_frame
        self._rotations: Rotations | None = None
        self._said = False
        if upright_frame and TF_STATE == "tf2_ros":
            self._rotations = _Tf2Rotations(node)
        elif upright_frame and TF_STATE == "own listener":
            self._rotations = RotationTree(node)
        elif upright_frame:
            node.get_logger().info("neither tf2_ros nor tf2_msgs is installed: the camera's tilt is estimated")

    def up(self, camera_frame: str, stamp_ns: int) -> FloatArray | None:
        """(3,) unit vector in the optical frame; None when tf does not say."""
        if self._rotations is None:
            return None
        try:
            return self._rotations.up(camera_frame, self._frame, stamp_ns)
        except NoTransformError as error:
            if not self._said:
                self._said = True
                self._node.get_logger().info(
                    f"no transform from '{camera_frame}' to gravity_frame '{self._frame}': {error}; until there is one "
                    "the camera's tilt is the parameter `up` or the student's estimate"
                )
            return None

    def close(self) -> None:
        if self._rotations is not None:
            self._rotations.close()
        self._rotations = None


class _Tf2Rotations:
    def __init__(self, node: Node) -> None:
        self._buffer = Buffer()
        self._listener: Any = TransformListener(self._buffer, node)

    def up(self, camera_frame: str, upright_frame: str, stamp_ns: int) -> FloatArray:
        try:
            found = self._buffer.lookup_transform(
                camera_frame, upright_frame, Time(nanoseconds=stamp_ns), timeout=Duration(seconds=0.05)
            )
        except TransformException as error:
            raise NoTransformError(str(error)) from error
        q = found.transform.rotation
        return rotation_of(q.x, q.y, q.z, q.w)[:, 2]

    def close(self) -> None:
        self._listener.unregister()


class RotationTree:
    """The rotations on /tf and /tf_static, and chains of them."""

    def __init__(self, node: Node | None) -> None:
        """``node`` listens to tf; without one, ``add`` feeds the tree."""
        self._node = node
        self._moving: dict[str, deque[tuple[int, str, FloatArray]]] = {}
        self._static: dict[str, tuple[str, FloatArray]] = {}
        self._subscriptions: list[Any] = []
        if node is not None:
            latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._subscriptions = [
                node.create_subscription(TFMessage, "/tf", lambda m: self._take(m, static=False), 100),
                node.create_subscription(TFMessage, "/tf_static", lambda m: self._take(m, static=True), latched),
            ]

    def close(self) -> None:
        for subscription in self._subscriptions:
            assert self._node is not None
            self._node.destroy_subscription(subscription)

    def add(self, parent: str, child: str, parent_from_child: FloatArray, *, stamp_ns: int | None) -> None:
        """A (3, 3) rotation; ``stamp_ns`` None for one that never changes."""
        if stamp_ns is None:
            self._static[child] = (parent, parent_from_child)
        else:
            self._moving.setdefault(child, deque(maxlen=_KEPT)).append((stamp_ns, parent, parent_from_child))

    def up(self, camera_frame: str, upright_frame: str, stamp_ns: int) -> FloatArray:
        """(3,) z axis of ``upright_frame`` in ``camera_frame``. Raises NoTransformError."""
        camera_path = self._to_root(camera_frame, stamp_ns)
        upright_path = self._to_root(upright_frame, stamp_ns)
        for frame, frame_from_camera in camera_path.items():
            if frame in upright_path:
                z: FloatArray = frame_from_camera.T @ upright_path[frame][:, 2]
                return z / np.linalg.norm(z)
        raise NoTransformError(
            f"'{camera_frame}' leads to {', '.join(camera_path)} and '{upright_frame}' to {', '.join(upright_path)}"
        )

    def _to_root(self, frame: str, stamp_ns: int) -> dict[str, FloatArray]:
        """Every ancestor (the frame itself first) -> (3, 3) rotation ancestor_from_frame."""
        rotation: FloatArray = np.eye(3)
        path = {frame: rotation}
        while (step := self._parent(frame, stamp_ns)) is not None and step[0] not in path:
            frame, rotation = step[0], step[1] @ rotation
            path[frame] = rotation
        return path

    def _parent(self, child: str, stamp_ns: int) -> tuple[str, FloatArray] | None:
        if child in self._static:
            return self._static[child]
        known = list(self._moving.get(child, ()))
        if not known:
            return None
        when, parent, rotation = min(known, key=lambda k: abs(k[0] - stamp_ns))
        return (parent, rotation) if abs(when - stamp_ns) <= STALE_NS else None

    def _take(self, message: Any, *, static: bool) -> None:
        for t in message.transforms:
            q = t.transform.rotation
            stamp_ns = None if static else stamp_to_ns(t.header.stamp)
            parent, child = t.header.frame_id.lstrip("/"), t.child_frame_id.lstrip("/")
            self.add(parent, child, rotation_of(q.x, q.y, q.z, q.w), stamp_ns=stamp_ns)


def rotation_of(x: float, y: float, z: float, w: float) -> FloatArray:
    """(3, 3) of a quaternion of any length."""
    n = x * x + y * y + z * z + w * w
    s = 2.0 / n if n > 1e-12 else 0.0
    return np.array(
        [
            [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
            [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
            [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
        ]
    )
