"""Intrinsics -> sensor_msgs/CameraInfo."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo

from distill3d_ros.nodes.conversions.images import set_stamp
from distill3d_ros.scene.frame import Intrinsics


def info_from(camera: Intrinsics, *, stamp_ns: int = 0, frame_id: str = "") -> CameraInfo:
    """The camera_info of an undistorted image."""
    message = CameraInfo(width=camera.width, height=camera.height, distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = camera.matrix.ravel().astype(float).tolist()
    message.r = np.eye(3).ravel().tolist()
    message.p = np.column_stack([camera.matrix, np.zeros(3)]).ravel().astype(float).tolist()
    set_stamp(message.header.stamp, stamp_ns)
    message.header.frame_id = frame_id
    return message
