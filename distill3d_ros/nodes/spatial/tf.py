"""Transforms between frames, from tf.

tf2_ros does the looking up where it is installed. Elsewhere (the Python wheels of ROS 2 have no tf2) a small listener
follows /tf and /tf_static itself: it takes the transform nearest in time and does not interpolate.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Protocol

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time

from distill3d_ros.nodes.conversions.images import stamp_to_ns
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
_WAIT_S = 0.05
"""tf travels apart from the image: tf2's buffer is asked again for so long."""
_JUMP_NS = 1_000_000_000
"""A frame's transform older by this than its last one: a bag loops, or a simulator was reset."""


class NoTransformError(RuntimeError):
    """tf does not connect the two frames at that time."""


class Transforms(Protocol):
    """Transforms between frames."""

    def find(self, target: str, source: str, stamp_ns: int) -> FloatArray:
        """(4, 4) target_from_source. Raises NoTransformError."""

    def clear(self) -> None:
        """Forgets what moves: time began anew."""

    def close(self) -> None: ...


def listen_to_tf(node: Node) -> Transforms | None:
    """The transforms that the node hears of; None where nothing that listens to tf is installed."""
    if TF_STATE == "tf2_ros":
        return _Tf2Transforms(node)
    return TransformTree(node) if TF_STATE == "own listener" else None


class _Tf2Transforms:
    def __init__(self, node: Node) -> None:
        # With the node the buffer is on the node's clock, and clears itself when simulated time jumps back.
        self._node, self._buffer = node, Buffer(node=node)
        self._listener: Any = TransformListener(self._buffer, node)

    def find(self, target: str, source: str, stamp_ns: int) -> FloatArray:
        end = time.monotonic() + _WAIT_S
        while True:
            try:
                # Waited for here: tf2 would wait by the node's clock, for ever where a simulated one stands still.
                found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp_ns))
                return pose_of(found.transform)
            except TransformException as error:
                if time.monotonic() > end:
                    raise NoTransformError(str(error)) from error
            time.sleep(0.005)

    def clear(self) -> None:
        self._buffer.clear()

    def close(self) -> None:
        self._listener.unregister()
        jump_handle, service = getattr(self._buffer, "jump_handle", None), getattr(self._buffer, "srv", None)
        if jump_handle is not None:
            jump_handle.unregister()
        if service is not None:
            self._node.destroy_service(service)


class TransformTree:
    """The transforms on /tf and /tf_static, and chains of them."""

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
        """A (4, 4) rigid motion; ``stamp_ns`` None for one that never changes."""
        if stamp_ns is None:
            self._static[child] = (parent, parent_from_child)
            return
        known = self._moving.setdefault(child, deque(maxlen=_KEPT))
        if known and stamp_ns < known[-1][0] - _JUMP_NS:
            known.clear()
        known.append((stamp_ns, parent, parent_from_child))

    def clear(self) -> None:
        self._moving.clear()

    def find(self, target: str, source: str, stamp_ns: int) -> FloatArray:
        """(4, 4) target_from_source. Raises NoTransformError."""
        source_path = self._to_root(source, stamp_ns)
        target_path = self._to_root(target, stamp_ns)
        for frame, frame_from_source in source_path.items():
            if frame in target_path:
                return np.linalg.inv(target_path[frame]) @ frame_from_source
        raise NoTransformError(
            f"'{source}' leads to {', '.join(source_path)} and '{target}' to {', '.join(target_path)}"
        )

    def _to_root(self, frame: str, stamp_ns: int) -> dict[str, FloatArray]:
        """Every ancestor (the frame itself first) -> (4, 4) ancestor_from_frame."""
        pose: FloatArray = np.eye(4)
        path = {frame: pose}
        while (step := self._parent(frame, stamp_ns)) is not None and step[0] not in path:
            frame, pose = step[0], step[1] @ pose
            path[frame] = pose
        return path

    def _parent(self, child: str, stamp_ns: int) -> tuple[str, FloatArray] | None:
        if child in self._static:
            return self._static[child]
        known = list(self._moving.get(child, ()))
        if not known:
            return None
        when, parent, pose = min(known, key=lambda k: abs(k[0] - stamp_ns))
        return (parent, pose) if abs(when - stamp_ns) <= STALE_NS else None

    def _take(self, message: Any, *, static: bool) -> None:
        for t in message.transforms:
            stamp_ns = None if static else stamp_to_ns(t.header.stamp)
            parent, child = t.header.frame_id.lstrip("/"), t.child_frame_id.lstrip("/")
            self.add(parent, child, pose_of(t.transform), stamp_ns=stamp_ns)


def pose_of(transform: Any) -> FloatArray:
    """(4, 4) of a geometry_msgs/Transform."""
    q, t = transform.rotation, transform.translation
    pose = np.eye(4)
    pose[:3, :3] = rotation_of(q.x, q.y, q.z, q.w)
    pose[:3, 3] = t.x, t.y, t.z
    return pose


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
