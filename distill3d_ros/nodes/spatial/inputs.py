"""The camera's topics: subscriptions, and the explanation when nothing usable arrives."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from distill3d_ros.nodes.conversions.camera_info import distortion_warning, intrinsics_from
from distill3d_ros.nodes.conversions.images import compressed_to_rgb, image_to_rgb, stamp_to_ns
from distill3d_ros.nodes.qos import sensor_qos
from distill3d_ros.scene.frame import FloatArray, Frame

_INFOS_KEPT = 16
_MISSES_ALLOWED = 3


@dataclass(frozen=True, slots=True)
class CameraItem:
    """An image as it came, with the camera_info of its time; decoded only when its turn comes."""

    image: Image | CompressedImage
    info: CameraInfo
    arrived: float
    """time.monotonic()"""

    def to_frame(self, *, rectified: bool, up: FloatArray | None) -> Frame:
        """Raises BadMessageError when the image or the camera_info cannot be used."""
        decode = image_to_rgb if isinstance(self.image, Image) else compressed_to_rgb
        pixels = decode(self.image)  # (H, W, 3)
        height, width = pixels.shape[:2]
        return Frame(
            image=pixels,
            intrinsics=intrinsics_from(self.info, width=width, height=height, rectified=rectified),
            up=up,
            stamp_ns=stamp_to_ns(self.image.header.stamp),
            frame_id=self.image.header.frame_id or self.info.header.frame_id or "camera_optical_frame",
        )


class InfoMatcher:
    """Finds the camera_info that belongs to an image: the one with its stamp.

    Image and camera_info travel apart, so an image may have to wait a moment for its own. Cameras whose stamps never
    match (a latched camera_info, say) get the newest one.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[int, CameraInfo] = OrderedDict()
        self._held: Image | CompressedImage | None = None
        self._misses = _MISSES_ALLOWED
        """Images in a row whose own camera_info never came; starts as if there were no matching ones."""
        self.newest: CameraInfo | None = None

    def image(self, message: Image | CompressedImage) -> tuple[Image | CompressedImage, CameraInfo] | None:
        """The pair to go on with, or None as long as it is not complete."""
        if self._held is not None:
            self._misses += 1
        self._held = None
        own = self._known.get(stamp_to_ns(message.header.stamp))
        if own is not None:
            self._misses = 0
            return message, own
        if self.newest is not None and self._misses >= _MISSES_ALLOWED:
            return message, self.newest
        self._held = message
        return None

    def info(self, message: CameraInfo) -> tuple[Image | CompressedImage, CameraInfo] | None:
        """The pair that this one completes, if an image waits for it."""
        stamp_ns = stamp_to_ns(message.header.stamp)
        self.newest = self._known[stamp_ns] = message
        while len(self._known) > _INFOS_KEPT:
            self._known.popitem(last=False)
        if self._held is None or stamp_to_ns(self._held.header.stamp) != stamp_ns:
            return None
        image, self._held, self._misses = self._held, None, 0
        return image, message


class CameraInputs:
    """Subscribes to `image` and `camera_info`; hands every image over together with its camera_info."""

    def __init__(
        self, node: Node, *, compressed: bool, reliability: str, rectified: bool, on_item: Callable[[CameraItem], None]
    ) -> None:
        self._node, self._on_item, self._rectified = node, on_item, rectified
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
        self._image = node.create_subscription(
            kind, topic, self._on_image, sensor_qos(reliability), callback_group=group
        )

    def close(self) -> None:
        self._node.destroy_subscription(self._image)
        self._node.destroy_subscription(self._camera_info)

    def quiet_for(self) -> float:
        """Seconds since the last image that had a camera_info, or since the start."""
        return time.monotonic() - self._last_item

    def complaint(self) -> str:
        """The reason why there is no input: topic, publishers and their QoS."""
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
            return f"no image on {topic}: no publisher. " + (
                f"Topics with images: {', '.join(others)}; remap `image` to one of them"
                if others
                else "No topic has images; is the camera running, with the same ROS_DOMAIN_ID?"
            )
        return (
            f"no image on {topic} for {self.quiet_for():.0f} s, though it has {found}; this node asks for "
            f"{self._reliability}. Large images over Fast DDS need the profile in config/fastdds.xml"
        )

    def _on_info(self, message: CameraInfo) -> None:
        if self._matcher.newest is None and (warning := distortion_warning(message, rectified=self._rectified)):
            self._node.get_logger().warning(warning)
        self._hand_over(self._matcher.info(message))

    def _on_image(self, message: Image | CompressedImage) -> None:
        self._images += 1
        self._hand_over(self._matcher.image(message))

    def _hand_over(self, pair: tuple[Image | CompressedImage, CameraInfo] | None) -> None:
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
