"""The camera in tf: the direction of up, its height above the floor, its pose, and its optical frame."""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np
from rclpy.node import Node

from distill3d_ros.nodes.spatial.optical_frames import BODY_FROM_OPTICAL, OpticalFrameBroadcaster, is_body_frame
from distill3d_ros.nodes.spatial.rigid_mount import RigidMount
from distill3d_ros.nodes.spatial.tf import NoTransformError, listen_to_tf
from distill3d_ros.scene.frame import FloatArray

RETRY_S = 1.0
"""A frame that tf has never known is asked for only so often: tf2 waits for it, and every image would wait along."""
LOST_AFTER_S = 1.0
"""A transform that was there and has been missing for so long is lost; a moment without one is not told."""


class CameraTransforms:
    """Looks the camera up in tf at an image's stamp; what tf does not know is None, and logged once."""

    def __init__(
        self,
        node: Node,
        *,
        gravity_frame: str,
        floor_frame: str,
        odom_frame: str,
        base_frame: str,
        optical_frame: str = "",
    ) -> None:
        """
        Args:
            gravity_frame: z points up in it (REP 105's base_link, odom or map); empty to do without.
            floor_frame: on the floor, z points up in it (REP 120's base_footprint); empty to do without.
            odom_frame: the camera's pose in it does not jump (REP 105's odom); empty to do without.
            base_frame: fixed to the robot, x forward, y left, z up (REP 105's base_link); empty to do without.
            optical_frame: the camera's, whatever the images' headers name; empty for what they name.
        """
        self._node, self._gravity, self._floor, self._odom = node, gravity_frame, floor_frame, odom_frame
        self._base, self._optical = base_frame, optical_frame
        wanted = bool(gravity_frame or floor_frame or odom_frame or base_frame)
        self._transforms = listen_to_tf(node) if wanted else None
        self._logged: set[str] = set()
        self._found: dict[tuple[str, str], float] = {}
        """Pairs of frames that tf has connected -> time.monotonic() of the last time."""
        self._lost: dict[tuple[str, str], str] = {}
        """Pairs that it connects no more -> what to say of them."""
        self._ask_again: dict[tuple[str, str], float] = {}
        self._body_frames: dict[str, bool] = {}
        self._broadcaster = OpticalFrameBroadcaster(node) if self._transforms is not None else None
        self._ups: defaultdict[str, RigidMount[FloatArray]] = defaultdict(
            lambda: RigidMount(lambda a, b: float(np.linalg.norm(a - b)), 0.02)
        )
        self._heights: defaultdict[str, RigidMount[float]] = defaultdict(
            lambda: RigidMount(lambda a, b: abs(a - b), 0.02)
        )
        if self._transforms is None and wanted:
            node.get_logger().info(
                "neither tf2_ros nor tf2_msgs is installed: the camera's tilt is estimated, its height is the "
                "parameter `camera_height`, and every frame is looked at alone"
            )

    def up(self, camera_frame: str, stamp_ns: int, given: FloatArray | None = None) -> FloatArray | None:
        """(3,) unit vector against gravity in the optical frame; where tf has never told, ``given``."""
        found = self._find(
            camera_frame, self._gravity, stamp_ns, "gravity_frame", "the tilt is the parameter `up` or an estimate"
        )
        if found is None:
            return self._ups[camera_frame].kept(given) if self._transforms is not None else given
        z = found[:3, 2] / np.linalg.norm(found[:3, 2])
        self._notice_body_frame(camera_frame, z)
        up: FloatArray = self._optical_rotation(camera_frame).T @ z
        self._ups[camera_frame].seen(up)
        return up

    def height(self, camera_frame: str, stamp_ns: int, given: float | None = None) -> float | None:
        """Metres of the camera above the floor; where tf has never told, ``given``."""
        found = self._find(
            self._floor,
            camera_frame,
            stamp_ns,
            "floor_frame",
            "the camera's height is the parameter `camera_height`, or not known",
        )
        if found is None or not found[2, 3] > 0:
            return self._heights[camera_frame].kept(given) if self._transforms is not None else given
        self._heights[camera_frame].seen(float(found[2, 3]))
        return float(found[2, 3])

    def world_from_camera(self, camera_frame: str, stamp_ns: int) -> FloatArray | None:
        """(4, 4) metres; the optical frame in ``odom_frame``."""
        until_then = "every frame is looked at alone, whatever `views` is"
        return self._turned(camera_frame, self._find(self._odom, camera_frame, stamp_ns, "odom_frame", until_then))

    def base_from_camera(self, camera_frame: str, stamp_ns: int) -> FloatArray | None:
        """(4, 4) metres; the optical frame in ``base_frame``."""
        until_then = "places are told as the camera sees them"
        return self._turned(camera_frame, self._find(self._base, camera_frame, stamp_ns, "base_frame", until_then))

    def find(self, target: str, camera_frame: str, stamp_ns: int) -> FloatArray:
        """(4, 4) metres; the optical frame in any frame.

        Raises:
            NoTransformError: tf does not connect them.
        """
        if self._transforms is None:
            raise NoTransformError(f"there is no tf here, so poses cannot be told in '{target}'")
        body = camera_frame.removesuffix("_optical")
        if self._body_frames.get(body) and body != camera_frame:  # the frame that this node has added
            found = self._turned(body, self._transforms.find(target, body, stamp_ns))
            assert found is not None
            return found
        return self._transforms.find(target, camera_frame, stamp_ns)

    def optical_frame(self, camera_frame: str) -> str:
        """The frame of what is published about an image whose header names ``camera_frame``."""
        if self._optical:
            return self._optical
        if self._body_frames.get(camera_frame) and self._broadcaster is not None:
            return self._broadcaster.send(camera_frame)
        return camera_frame

    def complaint(self) -> str:
        """Transforms that were there and are lost; empty when there are none."""
        return "; ".join(list(self._lost.values()))

    def clear(self) -> None:
        """Time began anew: transforms of before are of another world. What never changes stays."""
        if self._transforms is not None:
            self._transforms.clear()
        self._ask_again.clear()

    def close(self) -> None:
        for part in (self._transforms, self._broadcaster):
            if part is not None:
                part.close()
        self._transforms = self._broadcaster = None

    def _notice_body_frame(self, camera_frame: str, up: FloatArray) -> None:
        """Decides once for a frame: a camera that looks up later is still the same camera."""
        if self._optical or camera_frame in self._body_frames:
            return
        self._body_frames[camera_frame] = is_body_frame(camera_frame, up)
        if self._body_frames[camera_frame]:
            self._node.get_logger().warning(
                f"tf has the z axis of the images' frame '{camera_frame}' pointing up: it is taken for a frame with x "
                f"forward, as Gazebo's cameras have it, and what is published is in '{camera_frame}_optical', which "
                "this node adds to /tf_static. Set `optical_frame` to your camera's optical frame, or to "
                f"'{camera_frame}' if the camera does look up"
            )

    def _optical_rotation(self, camera_frame: str) -> FloatArray:
        """(3, 3) the optical frame in the frame that tf is asked about."""
        return BODY_FROM_OPTICAL if self._body_frames.get(camera_frame) else np.eye(3)

    def _turned(self, camera_frame: str, found: FloatArray | None) -> FloatArray | None:
        if found is None:
            return None
        turned = np.array(found)
        turned[:3, :3] = turned[:3, :3] @ self._optical_rotation(camera_frame)
        return turned

    def _find(self, target: str, source: str, stamp_ns: int, parameter: str, until_then: str) -> FloatArray | None:
        if self._transforms is None or not target or not source:
            return None
        if self._optical:
            target, source = (self._optical, source) if parameter == "gravity_frame" else (target, self._optical)
        names, now = (target, source), time.monotonic()
        if now < self._ask_again.get(names, 0.0):
            return None
        camera, frame = (target, source) if parameter == "gravity_frame" else (source, target)
        what = f"transform from '{camera}' to {parameter} '{frame}'"
        try:
            found = self._transforms.find(target, source, stamp_ns)
        except NoTransformError as error:
            if names not in self._found:
                self._ask_again[names] = now + RETRY_S
            elif names not in self._lost and now - self._found[names] > LOST_AFTER_S:
                self._lost[names] = f"the {what} is lost: {error}"
                kept = parameter in ("gravity_frame", "floor_frame")
                more = "; the last one is kept where the mount is rigid" if kept else f"; {until_then}"
                self._node.get_logger().warning(self._lost[names] + more)
            if parameter not in self._logged:
                self._logged.add(parameter)
                if names not in self._found:
                    self._node.get_logger().info(f"no {what}: {error}; until there is one {until_then}")
            return None
        if self._lost.pop(names, ""):
            self._node.get_logger().info(f"the {what} is back")
        self._found[names] = now
        return found
