"""The camera's topics: subscriptions, and the explanation when nothing usable arrives."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from distill3d_ros.nodes.conversions.images import image_to_rgb, stamp_to_ns
from distill3d_ros.nodes.conversions.rectification import PictureCamera, Rectifier
from distill3d_ros.nodes.qos import latched_qos, sensor_qos
from distill3d_ros.nodes.spatial.info_matcher import InfoMatcher, Pair, Picture
from distill3d_ros.nodes.spatial.time_watch import STEADY
from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.system.image_encodings import encoding_warning
from distill3d_ros.system.ros_messages import compressed_to_rgb

__all__ = ["CameraInputs", "CameraItem", "InfoMatcher"]

_LOOK_S, _LATCHED_S = 0.05, 0.25
"""Seconds between two looks after images that wait, and after a latched camera_info."""


@dataclass(frozen=True, slots=True)
class CameraItem:
    """An image as it came, with the camera_info of its time; decoded only when its turn comes."""

    image: Picture
    info: CameraInfo
    arrived: float
    """time.monotonic()"""

    @property
    def stamp_ns(self) -> int:
        return stamp_to_ns(self.image.header.stamp)

    @property
    def frame_id(self) -> str:
        return self.image.header.frame_id or self.info.header.frame_id or "camera_optical_frame"

    def decoded(self, rectifier: Rectifier, *, rectified: bool) -> tuple[Frame, PictureCamera]:
        """The frame, undistorted, and the camera that did it.

        Raises:
            BadMessageError: the image or the camera_info cannot be used.
        """
        decode = image_to_rgb if isinstance(self.image, Image) else compressed_to_rgb
        pixels = decode(self.image)  # (H, W, 3)
        height, width = pixels.shape[:2]
        camera = rectifier.camera(self.info, width=width, height=height, rectified=rectified)
        frame = Frame(
            image=camera.picture(pixels),
            intrinsics=camera.intrinsics,
            stamp_ns=self.stamp_ns,
            frame_id=self.frame_id,
        )
        return frame, camera

    def to_frame(self, *, rectified: bool, up: FloatArray | None) -> Frame:
        """The frame alone. Raises BadMessageError when the image or the camera_info cannot be used."""
        return replace(self.decoded(Rectifier(), rectified=rectified)[0], up=up)


class CameraInputs:
    """Subscribes to `image` and `camera_info`; hands every image over together with its camera_info."""

    def __init__(
        self, node: Node, *, compressed: bool, reliability: str, on_item: Callable[[CameraItem], None]
    ) -> None:
        self._node, self._on_item, self._encoding = node, on_item, ""
        self._matcher = InfoMatcher()
        self._last_item = time.monotonic()
        self._images = 0
        self._reliability = reliability
        kind: Any = CompressedImage if compressed else Image
        topic = "image/compressed" if compressed else "image"
        group = MutuallyExclusiveCallbackGroup()  # apart from the service, so that a waiting question stops no image
        # Before the images: where both have arrived, the camera_info is taken first.
        self._camera_info = node.create_subscription(
            CameraInfo, "camera_info", self._on_info, sensor_qos("best_effort", depth=5), callback_group=group
        )
        self._latched_info: Any = None
        self._group, self._look_again = group, 0.0
        self._image = node.create_subscription(
            kind, topic, self._on_image, sensor_qos(reliability), callback_group=group
        )
        self._timer = node.create_timer(_LOOK_S, self._on_time, callback_group=group, clock=STEADY)

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        for subscription in (self._image, self._camera_info, self._latched_info):
            if subscription is not None:
                self._node.destroy_subscription(subscription)

    @property
    def unmatched(self) -> int:
        """Images that no camera_info was found for."""
        return self._matcher.unmatched

    def quiet_for(self) -> float:
        """Seconds since the last image that had a camera_info, or since the start."""
        return time.monotonic() - self._last_item

    def complaint(self) -> str:
        """The reason why there is no input: topic, publishers and their QoS."""
        if self._matcher.problem and self._images:
            return self.mismatch()
        if self._images and self._matcher.newest is None:
            return (
                f"images arrive on {self._image.topic_name} but no camera_info on {self._camera_info.topic_name} "
                f"({self._publishers(self._camera_info.topic_name)}); without it nothing can be measured. "
                "Remap `camera_info` to your camera's"
            )
        topic = self._image.topic_name
        found = self._publishers(topic)
        if found == "no publisher":
            others = self._image_topics()
            if f"{topic}/compressed" in others:
                return (
                    f"no image on {topic}: no publisher, but {topic}/compressed has one; set `image_transport` to "
                    "compressed"
                )
            return f"no image on {topic}: no publisher. " + (
                f"Topics with images: {', '.join(others)}; remap `image` to one of them; "
                "a compressed one needs `image_transport` set to compressed, and `image/compressed` remapped to it"
                if others
                else "No topic has images; is the camera running, with the same ROS_DOMAIN_ID?"
            )
        return (
            f"no image on {topic} for {self.quiet_for():.0f} s, though it has {found}; this node asks for "
            f"{self._reliability}. Large images over Fast DDS need the profile in config/fastdds.xml"
        )

    def mismatch(self) -> str:
        """Why images find no camera_info; empty when they do."""
        if not self._matcher.problem:
            return ""
        return (
            f"images on {self._image.topic_name} find no camera_info on {self._camera_info.topic_name}: stamps differ "
            f"and {self._matcher.problem}; {self._matcher.unmatched} images were left out. Remap `camera_info` to the "
            "topic that belongs to `image`"
        )

    def _on_info(self, message: CameraInfo) -> None:
        self._hand_over(self._matcher.info(message))

    def _on_image(self, message: Picture) -> None:
        self._images += 1
        if isinstance(message, Image) and message.encoding != self._encoding:
            self._encoding = message.encoding
            if warning := encoding_warning(message.encoding):
                self._node.get_logger().warning(warning)
        self._hand_over(self._matcher.image(message))

    def _on_time(self) -> None:
        if self._matcher.newest is None and self._latched_info is None and time.monotonic() > self._look_again:
            self._look_again = time.monotonic() + _LATCHED_S
            self._hear_latched_info()
        self._hand_over(self._matcher.overdue())

    def _hear_latched_info(self) -> None:
        """One that was published once, before this node came. Whoever latches nothing would complain of such a wish."""
        publishers = self._node.get_publishers_info_by_topic(self._camera_info.topic_name)
        if any(p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in publishers):
            self._latched_info = self._node.create_subscription(
                CameraInfo, "camera_info", self._on_info, latched_qos(), callback_group=self._group
            )

    def _hand_over(self, pair: Pair | None) -> None:
        if pair is not None:
            self._last_item = time.monotonic()
            self._on_item(CameraItem(*pair, self._last_item))

    def _publishers(self, topic: str) -> str:
        offers = [
            f"{p.node_namespace.rstrip('/')}/{p.node_name} ({p.qos_profile.reliability.name.lower()}, "
            f"{p.qos_profile.durability.name.lower()}, {p.topic_type})"
            for p in self._node.get_publishers_info_by_topic(topic)
        ]
        return f"{len(offers)} publisher(s): {', '.join(offers)}" if offers else "no publisher"

    def _image_topics(self) -> list[str]:
        kinds = {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"}
        own = self._node.get_fully_qualified_name() + "/"
        topics = self._node.get_topic_names_and_types()
        return sorted(
            name
            for name, types in topics
            if kinds & set(types) and not name.startswith(own) and self._node.count_publishers(name)
        )
