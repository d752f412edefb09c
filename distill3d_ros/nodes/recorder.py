"""Recorder of the nodes' messages: a bag (MCAP) that includes the types of distill3d_interfaces."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from distill3d_ros.nodes.client import Moment
from distill3d_ros.nodes.conversions.images import image_to_rgb, rgb_to_compressed

BAG_VERSION: Final = 9
"""Of the metadata file: what ROS 2 Jazzy and newer write; older ones read it."""


class BagRecorder:
    """A bag that is written message by message. Use it in a ``with`` block."""

    def __init__(self, folder: Path) -> None:
        """``folder`` must not exist; it becomes the bag."""
        self._writer = Writer(folder, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._connections: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.messages = 0

    def __enter__(self) -> BagRecorder:
        self._writer.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, topic: str, message: Any, stamp_ns: int) -> None:
        """Append a message of rclpy; any thread may."""
        with self._lock:
            if topic not in self._connections:
                self._register(type(message))
                name = ros_type_name(type(message))
                self._connections[topic] = self._writer.add_connection(topic, name, typestore=self._types)
            self._writer.write(self._connections[topic], stamp_ns, serialize_message(message))
            self.messages += 1

    def write_moment(self, moment: Moment) -> None:
        """Everything of one stamp; the image as JPEG, which a camera node can play again."""
        stamp = moment.stamp_ns
        if moment.camera_info is not None:
            self.write("/camera_info", moment.camera_info, stamp)
        if moment.image is not None:
            where = {"stamp_ns": stamp, "frame_id": moment.image.header.frame_id}
            pixels = np.ascontiguousarray(image_to_rgb(moment.image))
            self.write("/image/compressed", rgb_to_compressed(pixels, **where), stamp)
        for topic, message in (
            ("/camera_node/truth", moment.truth),
            ("/spatial_node/depth/image", moment.depth),
            ("/spatial_node/objects", moment.objects),
        ):
            if message is not None:
                self.write(topic, message, stamp)

    def _register(self, kind: type) -> None:
        """Make a message class, and those in its fields, known to the bag's types."""
        name = ros_type_name(kind)
        if name in self._types.types:
            return
        fields: dict[str, str] = kind.get_fields_and_field_types()  # type: ignore[attr-defined]
        lines = []
        for field, declared in fields.items():
            inner = re.sub(r"^sequence<(.*)>$", r"\1", declared)
            inner, array = re.sub(r"\[\d+\]$", "", inner), "[]" if inner != declared else ""
            array = array or declared.removeprefix(inner)  # "[36]" of an array of fixed length
            if "/" in inner:
                package, _, short = inner.partition("/")
                module = __import__(f"{package}.msg", fromlist=[short])
                self._register(getattr(module, short))
            lines.append(f"{_IDL_TO_MSG.get(inner, inner)}{array} {field}")
        self._types.register(get_types_from_msg("\n".join(lines), name))


_IDL_TO_MSG = {"float": "float32", "double": "float64", "boolean": "bool", "octet": "byte"}


def ros_type_name(kind: type) -> str:
    """``std_msgs/msg/String`` of the class ``String``."""
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
