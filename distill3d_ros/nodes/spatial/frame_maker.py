"""Frames for the engine from what the camera's topics, tf and the parameters tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from rclpy.node import Node

from distill3d_ros.nodes.conversions.rectification import Rectifier
from distill3d_ros.nodes.parameters import up_or_none
from distill3d_ros.nodes.spatial.camera_transforms import CameraTransforms
from distill3d_ros.nodes.spatial.depth_input import DepthInput
from distill3d_ros.nodes.spatial.inputs import CameraItem
from distill3d_ros.scene.frame import Frame


class FrameMaker:
    """Decodes and undistorts images, and adds what is known about their camera."""

    def __init__(
        self, node: Node, *, setting: Callable[[str], Any], transforms: CameraTransforms, depth: DepthInput | None
    ) -> None:
        """``setting`` gives the present value of a parameter."""
        self._node, self._setting, self._transforms, self._depth = node, setting, transforms, depth
        self._rectifier = Rectifier()
        self._note = ""
        self.height: float | None = None
        """Metres of the camera above the floor at the newest frame, as far as it is known."""

    def frame(self, item: CameraItem, *, with_pose: bool = False) -> Frame:
        """
        Args:
            with_pose: also look up where the camera stands.

        Raises:
            BadMessageError: the image, its camera_info or its depth cannot be used.
        """
        frame, camera = item.decoded(self._rectifier, rectified=self._setting("rectified"))
        if camera.note != self._note:  # another camera_info
            self._note = camera.note
            if camera.note:
                self._node.get_logger().warning(camera.note)
        metres = None
        if self._depth is not None:
            found = self._depth.find(item.stamp_ns, width=frame.intrinsics.width, height=frame.intrinsics.height)
            metres = None if found is None else camera.depth(found)
        name, stamp_ns, tf = item.frame_id, item.stamp_ns, self._transforms
        given = up_or_none(self._setting("up"))
        up = tf.up(name, stamp_ns, None if given is None else np.asarray(given))
        self.height = tf.height(name, stamp_ns, self._setting("camera_height") or None)
        return replace(
            frame,
            up=up,
            camera_height=self.height,
            base_from_camera=tf.base_from_camera(name, stamp_ns),
            world_from_camera=tf.world_from_camera(name, stamp_ns) if with_pose else None,
            depth=metres,
            frame_id=tf.optical_frame(name),
        )

    def quarter_turns(self) -> int | None:
        """Counter-clockwise turns that make the picture upright; None: as the frame's ``up`` tells."""
        rotation = self._setting("image_rotation")
        return None if rotation == "auto" else int(rotation) // 90
