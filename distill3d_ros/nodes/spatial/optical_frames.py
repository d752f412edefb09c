"""The optical frame of an image whose header names another: Gazebo's cameras have x forward (REP 103's body frame)."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from distill3d_ros.nodes.conversions.images import set_stamp
from distill3d_ros.nodes.conversions.messages import quaternion_of
from distill3d_ros.scene.frame import FloatArray

try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None

BODY_FROM_OPTICAL: FloatArray = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""(3, 3); body: x forward, y left, z up; optical: x right, y down, z forward."""
_LEAST_UPWARD = 0.75
"""A frame whose z axis points up within 41 degrees is taken for a body frame: few cameras look at the ceiling."""


def is_body_frame(frame: str, up: FloatArray) -> bool:
    """Whether a frame with this (3,) up vector has x forward rather than z, as far as name and gravity tell."""
    return "optical" not in frame and float(up[2]) > _LEAST_UPWARD


class OpticalFrameBroadcaster:
    """Sends the optical frames that tf lacks to /tf_static, so that what is published has a frame that is right."""

    def __init__(self, node: Node) -> None:
        self._node, self._sent = node, dict[str, Any]()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._publisher = node.create_publisher(TFMessage, "/tf_static", latched) if TFMessage is not None else None

    def send(self, body_frame: str) -> str:
        """The name of the optical frame of a body frame."""
        from geometry_msgs.msg import TransformStamped

        name = f"{body_frame}_optical"
        if body_frame not in self._sent:
            message = TransformStamped(child_frame_id=name)
            message.header.frame_id = body_frame
            set_stamp(message.header.stamp, self._node.get_clock().now().nanoseconds)
            q = message.transform.rotation
            q.x, q.y, q.z, q.w = map(float, quaternion_of(BODY_FROM_OPTICAL))
            self._sent[body_frame] = message
            if self._publisher is not None:  # all of them: a latched topic keeps one message
                self._publisher.publish(TFMessage(transforms=list(self._sent.values())))
        return name

    def close(self) -> None:
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
