"""Colour and depth in a ROS bag (MCAP or sqlite3), with the camera's gravity and height where the bag has tf."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.system.camera_messages import intrinsics_from, lower_case
from distill3d_ros.system.image_encodings import COLOUR_ENCODINGS
from distill3d_ros.system.ros_messages import (
    DEPTH_TYPES,
    BadMessageError,
    colour_pixels,
    compressed_to_rgb,
    image_to_depth,
)
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.rgbd.bag_transforms import BagTransforms
from distill3d_ros.training.data.importers.rgbd.recording import RgbdFrame

IMAGE, COMPRESSED, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
TRANSFORMS = "tf2_msgs/msg/TFMessage"
APART_NS = 50_000_000
"""Nanoseconds between a picture and its depth, at most."""


class BagFrames:
    """A recording as a bag: its pictures, numbered from 0, each with the depth nearest in time.

    Args:
        bag: a bag's folder, ``.mcap`` or ``.db3``.
        every: take the pictures whose number is a multiple of this.
        image_topic, depth_topic: empty for the first colour and the first registered depth.

    Raises:
        SourceError: rosbags is not installed, this is no bag, or it has no pictures, no depth or no camera_info.
    """

    def __init__(self, bag: Path, *, every: int, image_topic: str = "", depth_topic: str = "") -> None:
        self._bag = bag
        with _opened(bag) as reader:
            self._image, self._depth = _topics(reader, bag, image_topic, depth_topic)
            self._info = _info_topic(reader, bag, self._image)
            times = {topic: _times(reader, topic) for topic in (self._image, self._depth)}
        self._pairs = _paired(times[self._image], times[self._depth], every)
        self.left_out = len(times[self._image][::every]) - len(self._pairs)
        if not self._pairs:
            raise SourceError(
                f"'{bag}': no picture on '{self._image}' has depth on '{self._depth}' within "
                f"{APART_NS // 1_000_000} ms; record both together"
            )

    @cached_property
    def places(self) -> Mapping[str, str]:
        """A bag is taken to be a walk: each frame is a place of its own, neighbours are near."""
        return {name: name for name in self._pairs}

    @cached_property
    def aliases(self) -> Mapping[str, tuple[str, ...]]:
        return {name: (name,) for name in self._pairs}

    @cached_property
    def digest(self) -> str:
        files = sorted(self._bag.rglob("*")) if self._bag.is_dir() else [self._bag]
        sizes = [(file.name, file.stat().st_size) for file in files if file.is_file()]
        return sha256(repr((sizes, list(self._pairs.items()))).encode()).hexdigest()[:16]

    def mask_file(self, name: str) -> None:
        return None

    def frames(self, names: Set[str], warn: Callable[[str], None]) -> Iterator[RgbdFrame]:
        depth_of = {self._pairs[name]: name for name in self._pairs if name in names}
        image_at = {pair[0]: name for pair, name in depth_of.items()}
        wanted = {pair[1] for pair in depth_of}
        waiting: dict[str, tuple[Any, BagTransforms]] = {}
        depths: dict[int, Any] = {}
        with _opened(self._bag) as reader:
            topics = (self._image, self._depth, self._info, "/tf", "/tf_static")
            connections = [c for c in reader.connections if c.topic in topics]
            first = next(reader.messages(connections=[c for c in connections if c.topic == self._info]), None)
            if first is None:
                raise SourceError(f"'{self._bag}' has no message on '{self._info}', the camera_info of '{self._image}'")
            info = lower_case(reader.deserialize(first[2], first[0].msgtype))
            transforms, counts = BagTransforms(), {self._image: -1, self._depth: -1}
            for connection, _, raw in reader.messages(connections=connections):
                topic = connection.topic
                if topic in counts:
                    counts[topic] += 1
                    number = counts[topic]
                    if topic == self._image and number in image_at:
                        waiting[image_at[number]] = reader.deserialize(raw, connection.msgtype), transforms.copy()
                    elif topic == self._depth and number in wanted:
                        depths[number] = reader.deserialize(raw, connection.msgtype)
                elif topic == self._info:
                    info = lower_case(reader.deserialize(raw, connection.msgtype))
                else:
                    transforms.add(reader.deserialize(raw, connection.msgtype))
                yield from self._complete(waiting, depths, info, warn)

    def _complete(
        self, waiting: dict[str, Any], depths: dict[int, Any], info: Any, warn: Callable[[str], None]
    ) -> Iterator[RgbdFrame]:
        """The frames whose two messages are there, in order."""
        for name in list(waiting):
            number = self._pairs[name][1]
            if number not in depths:
                return
            message, transforms = waiting.pop(name)
            depth_message = depths[number]
            for old in [n for n in depths if n < number]:
                del depths[old]
            try:
                yield self._frame(name, message, depth_message, info, transforms)
            except BadMessageError as error:
                warn(f"frame {name} of '{self._image}' is left out: {error}")

    def _frame(self, name: str, message: Any, depth_message: Any, info: Any, transforms: BagTransforms) -> RgbdFrame:
        image = colour_pixels(message) if hasattr(message, "encoding") else compressed_to_rgb(message)
        depth = np.nan_to_num(image_to_depth(depth_message), nan=0.0, posinf=0.0, neginf=0.0)
        if depth.shape != image.shape[:2]:
            raise SourceError(
                f"'{self._depth}' has {depth.shape[1]}x{depth.shape[0]} pixels and '{self._image}' "
                f"{image.shape[1]}x{image.shape[0]}: depth must be registered to the colour camera. Record the "
                "driver's aligned_depth_to_color (realsense) or depth_registered (openni2), or name it with "
                "--depth-topic"
            )
        camera = intrinsics_from(info, width=image.shape[1], height=image.shape[0], rectified=False)
        up, height = transforms.camera(message.header.frame_id)
        return RgbdFrame(name=name, image=image, camera=camera, depth=depth, up=up, height=height)


def is_bag(path: Path) -> bool:
    """Whether a path is a bag and not a folder of pictures."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or any(path.glob("*.mcap")) or any(path.glob("*.db3"))
    return path.suffix in (".mcap", ".db3", ".bag")


def _opened(bag: Path) -> Any:
    try:
        from rosbags.highlevel import AnyReader, AnyReaderError
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise SourceError("bags are read with rosbags, which is not installed; run `pip install rosbags`") from error
    try:
        reader = AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except AnyReaderError as error:
        raise SourceError(f"'{bag}' cannot be read as a bag: {error}") from error
    return _Closing(reader)


class _Closing:
    """``AnyReader`` is open before its ``with``, so that opening it has its own error."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __enter__(self) -> Any:
        return self._reader

    def __exit__(self, *error: object) -> None:
        self._reader.close()


def _topics(reader: Any, bag: Path, image_topic: str, depth_topic: str) -> tuple[str, str]:
    colour, depth = [], []
    for topic, info in sorted(reader.topics.items()):
        if info.msgtype == COMPRESSED and "depth" not in topic.lower():
            colour.append(topic)
        if info.msgtype != IMAGE:
            continue
        first = next(reader.messages(connections=info.connections), None)
        encoding = "" if first is None else reader.deserialize(first[2], first[0].msgtype).encoding
        if encoding in DEPTH_TYPES:
            depth.append(topic)
        elif encoding in COLOUR_ENCODINGS:
            colour.append(topic)
    depth.sort(key=lambda topic: not ("aligned" in topic or "registered" in topic))
    for name, wanted, there, what in (
        ("--image-topic", image_topic, colour, "colour pictures"),
        ("--depth-topic", depth_topic, depth, f"depth ({' or '.join(DEPTH_TYPES)})"),
    ):
        if wanted and wanted not in there:
            raise SourceError(f"{name} must have {what}. Got '{wanted}'; in '{bag}' have: {', '.join(there) or 'none'}")
        if not there:
            topics = ", ".join(f"{t} ({i.msgtype})" for t, i in sorted(reader.topics.items()))
            raise SourceError(f"'{bag}' has no topic with {what}; record it, too. Its topics: {topics or 'none'}")
    return image_topic or colour[0], depth_topic or depth[0]


def _info_topic(reader: Any, bag: Path, image: str) -> str:
    infos = sorted(topic for topic, info in reader.topics.items() if info.msgtype == INFO)
    if not infos:
        raise SourceError(f"'{bag}' has no {INFO}, which '{image}' needs: record camera_info, too")
    raw = image.removesuffix("/compressed")
    beside = f"{raw.rsplit('/', 1)[0]}/camera_info"
    return beside if beside in infos else infos[0]


def _times(reader: Any, topic: str) -> list[int]:
    """Nanoseconds at which the messages of a topic were recorded."""
    return [time for _, time, _ in reader.messages(connections=reader.topics[topic].connections)]


def _paired(images: Sequence[int], depths: Sequence[int], every: int) -> dict[str, tuple[int, int]]:
    """Name -> number of the picture and of its depth, for those that have one."""
    pairs = {}
    for number in range(0, len(images), every):
        at = bisect_left(depths, images[number])
        near = [i for i in (at - 1, at) if 0 <= i < len(depths)]
        best = min(near, key=lambda i: abs(depths[i] - images[number]), default=None)
        if best is not None and abs(depths[best] - images[number]) <= APART_NS:
            pairs[f"{number:06d}"] = number, best
    return pairs
