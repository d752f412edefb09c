"""tf of a played camera: odom -> base_footprint -> base_link -> the camera's optical frame (REP 105, REP 120)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node

from distill3d_ros.nodes.conversions.images import set_stamp
from distill3d_ros.nodes.conversions.messages import quaternion_of
from distill3d_ros.scene.frame import FloatArray, Frame

try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None


class CameraTransformBroadcaster:
    """Sends the pose of every frame that has one; does nothing where tf2_msgs is not installed."""

    def __init__(self, node: Node, camera_frame: str) -> None:
        self._publisher: Any = node.create_publisher(TFMessage, "/tf", 100) if TFMessage is not None else None
        self._camera_frame = camera_frame

    def send(self, frame: Frame, stamp_ns: int) -> None:
        if self._publisher is None or frame.world_from_camera is None:
            return
        base, camera = split_pose(frame.world_from_camera)
        transforms = [
            transform_message(base, "odom", "base_footprint", stamp_ns),
            transform_message(np.eye(4), "base_footprint", "base_link", stamp_ns),
            transform_message(camera, "base_link", self._camera_frame, stamp_ns),
        ]
        self._publisher.publish(TFMessage(transforms=transforms))


def split_pose(world_from_camera: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(4, 4) odom_from_base on the floor below the camera, facing where it faces, and (4, 4) base_from_camera."""
    forward = world_from_camera[:3, 2]
    yaw = math.atan2(forward[1], forward[0])
    base = np.eye(4)
    base[:2, :2] = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
    base[:2, 3] = world_from_camera[:2, 3]
    return base, np.linalg.inv(base) @ world_from_camera


def transform_message(pose: FloatArray, parent: str, child: str, stamp_ns: int) -> TransformStamped:
    """(4, 4) parent_from_child -> message."""
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    set_stamp(message.header.stamp, stamp_ns)
    t, r = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = map(float, pose[:3, 3])
    r.x, r.y, r.z, r.w = map(float, quaternion_of(pose[:3, :3]))
    return message
