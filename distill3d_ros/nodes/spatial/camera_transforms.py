"""The camera in tf: the direction of up, its height above the floor and its pose."""

from __future__ import annotations

import time

import numpy as np
from rclpy.node import Node

from distill3d_ros.nodes.spatial.tf import NoTransformError, listen_to_tf
from distill3d_ros.scene.frame import FloatArray

RETRY_S = 1.0
"""A frame that tf has never known is asked for only so often: tf2 waits for it, and every image would wait along."""


class CameraTransforms:
    """Looks the camera up in tf at an image's stamp; what tf does not know is None, and logged once."""

    def __init__(self, node: Node, *, gravity_frame: str, floor_frame: str, odom_frame: str, base_frame: str) -> None:
        """
        Args:
            gravity_frame: z points up in it (REP 105's base_link, odom or map); empty to do without.
            floor_frame: on the floor, z points up in it (REP 120's base_footprint); empty to do without.
            odom_frame: the camera's pose in it does not jump (REP 105's odom); empty to do without.
            base_frame: fixed to the robot, x forward, y left, z up (REP 105's base_link); empty to do without.
        """
        self._node, self._gravity, self._floor, self._odom = node, gravity_frame, floor_frame, odom_frame
        self._base = base_frame
        wanted = bool(gravity_frame or floor_frame or odom_frame or base_frame)
        self._transforms = listen_to_tf(node) if wanted else None
        self._logged: set[str] = set()
        self._found: set[tuple[str, str]] = set()
        self._ask_again: dict[tuple[str, str], float] = {}
        if self._transforms is None and wanted:
            node.get_logger().info(
                "neither tf2_ros nor tf2_msgs is installed: the camera's tilt is estimated, its height is the "
                "parameter `camera_height`, and every frame is looked at alone"
            )

    def up(self, camera_frame: str, stamp_ns: int) -> FloatArray | None:
        """(3,) unit vector against gravity in the optical frame."""
        found = self._find(
            camera_frame, self._gravity, stamp_ns, "gravity_frame", "the tilt is the parameter `up` or an estimate"
        )
        if found is None:
            return None
        z: FloatArray = found[:3, 2]
        return z / np.linalg.norm(z)

    def height(self, camera_frame: str, stamp_ns: int) -> float | None:
        """Metres of the camera above the floor."""
        found = self._find(
            self._floor,
            camera_frame,
            stamp_ns,
            "floor_frame",
            "the camera's height is the parameter `camera_height`, or not known",
        )
        return float(found[2, 3]) if found is not None and found[2, 3] > 0 else None

    def world_from_camera(self, camera_frame: str, stamp_ns: int) -> FloatArray | None:
        """(4, 4) metres; the optical frame in ``odom_frame``."""
        return self._find(
            self._odom, camera_frame, stamp_ns, "odom_frame", "every frame is looked at alone, whatever `views` is"
        )

    def base_from_camera(self, camera_frame: str, stamp_ns: int) -> FloatArray | None:
        """(4, 4) metres; the optical frame in ``base_frame``."""
        return self._find(self._base, camera_frame, stamp_ns, "base_frame", "places are told as the camera sees them")

    def find(self, target: str, camera_frame: str, stamp_ns: int) -> FloatArray:
        """(4, 4) metres; the optical frame in any frame.

        Raises:
            NoTransformError: tf does not connect them.
        """
        if self._transforms is None:
            raise NoTransformError(f"there is no tf here, so poses cannot be told in '{target}'")
        return self._transforms.find(target, camera_frame, stamp_ns)

    def close(self) -> None:
        if self._transforms is not None:
            self._transforms.close()
        self._transforms = None

    def _find(self, target: str, source: str, stamp_ns: int, parameter: str, until_then: str) -> FloatArray | None:
        if self._transforms is None or not target or not source:
            return None
        names = (target, source)
        if time.monotonic() < self._ask_again.get(names, 0.0):
            return None
        try:
            found = self._transforms.find(target, source, stamp_ns)
            self._found.add(names)
            return found
        except NoTransformError as error:
            if names not in self._found:
                self._ask_again[names] = time.monotonic() + RETRY_S
            if parameter not in self._logged:
                self._logged.add(parameter)
                camera = target if parameter == "gravity_frame" else source
                frame = source if parameter == "gravity_frame" else target
                self._node.get_logger().info(
                    f"no transform from '{camera}' to {parameter} '{frame}': {error}; until there is one {until_then}"
                )
            return None
