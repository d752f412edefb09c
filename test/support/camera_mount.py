"""A robot's camera, mounted and calibrated as a test says, in tf and on topics."""

from __future__ import annotations

import numpy as np
from support.ros_robot import Robot

from distill3d_ros.nodes.camera.transforms import transform_message
from distill3d_ros.nodes.conversions.camera_info import info_from
from distill3d_ros.nodes.conversions.images import rgb_to_image
from distill3d_ros.scene.frame import Intrinsics

CAMERA = Intrinsics.from_fov(width=64, height=48, horizontal_fov=1.0)
PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)


class Mount:
    """A robot whose camera is mounted and calibrated as the test says."""

    def __init__(self, robot: Robot) -> None:
        from tf2_msgs.msg import TFMessage

        self.robot, self._kind = robot, TFMessage
        self.tf = robot.node.create_publisher(TFMessage, "/tf", 100)

    def place(self, camera: str, rotation: np.ndarray, stamp_ns: int, height: float = 1.2) -> None:
        """base_footprint -> base_link -> the camera's frame, ``rotation`` (3, 3) in the robot's axes."""
        pose = np.eye(4)
        pose[:3, :3], pose[2, 3] = rotation, height
        base = transform_message(np.eye(4), "base_footprint", "base_link", stamp_ns)
        self.tf.publish(self._kind(transforms=[base, transform_message(pose, "base_link", camera, stamp_ns)]))

    def show(self, picture: np.ndarray, frame_id: str, *, stamp_ns: int = 0, camera: Intrinsics = CAMERA) -> int:
        stamp_ns = stamp_ns or self.robot.now_ns()
        self.robot.info.publish(info_from(camera, stamp_ns=stamp_ns, frame_id=frame_id))
        self.robot.image.publish(rgb_to_image(picture, stamp_ns=stamp_ns, frame_id=frame_id))
        return stamp_ns

    def status(self) -> tuple[bytes, str, dict[str, str]]:
        """Level, words and values of the newest diagnostics."""
        newest = self.robot.received["/diagnostics"][-1:]
        if not newest:
            return b"", "", {}
        status = newest[0].status[0]
        return status.level, status.message, {v.key: v.value for v in status.values}
