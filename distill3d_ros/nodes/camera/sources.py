"""Sources of the camera node's frames: a folder of pictures, a bag, or a simulated drive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.nodes.conversions.images import image_to_rgb
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.objects import Scene
from distill3d_ros.system.camera_calibration import for_image, read_camera_yaml
from distill3d_ros.system.camera_messages import intrinsics_from, lower_case
from distill3d_ros.system.ros_messages import BadMessageError, compressed_to_rgb

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_IMAGE_TYPES = {"sensor_msgs/msg/Image": image_to_rgb, "sensor_msgs/msg/CompressedImage": compressed_to_rgb}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A frame, with the truth about it where there is one."""

    frame: Frame
    truth: Scene | None = None

    @property
    def nbytes(self) -> int:
        depth = self.truth.depth if self.truth is not None else None
        return self.frame.image.nbytes + (0 if depth is None else depth.nbytes)


def folder_shots(
    folder: Path, *, horizontal_fov: float, warn: Callable[[str], None] = lambda text: None
) -> Iterator[Shot]:
    """The folder's pictures by name. ``camera.yaml`` (as camera_calibration writes it) in the folder gives the camera;
    without it ``horizontal_fov`` (radians) does. A file that is no picture is left out with a warning.

    Raises:
        ValueError: there is no such folder, or no picture in it.
    """
    import cv2

    if not folder.is_dir():
        raise ValueError(f"path must be a folder of pictures. Got '{folder}', which is none")
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in PICTURES)
    if not files:
        raise ValueError(f"no picture ({', '.join(PICTURES)}) in '{folder}'")
    calibration = folder / "camera.yaml"
    known = read_camera_yaml(calibration) if calibration.is_file() else None
    usable = 0
    for file in files:
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if picture is None:
            warn(f"'{file}' is no picture that can be read; left out")
            continue
        height, width = picture.shape[:2]
        usable += 1
        if known is None:
            camera = Intrinsics.from_fov(width=width, height=height, horizontal_fov=horizontal_fov)
        else:
            camera = for_image(known, width=width, height=height, origin=f"'{file}'")
        yield Shot(frame=Frame(image=np.ascontiguousarray(picture[..., ::-1]), intrinsics=camera))
    if not usable:
        raise ValueError(f"none of the {len(files)} pictures in '{folder}' can be read")


def bag_shots(bag: Path, *, image_topic: str = "", warn: Callable[[str], None] = lambda text: None) -> Iterator[Shot]:
    """The bag's images (MCAP or sqlite3) with the camera_info beside them.

    Raises:
        ValueError: not a bag, or without images or camera_info.
    """
    from rosbags.highlevel import AnyReader, AnyReaderError
    from rosbags.typesys import Stores, get_typestore

    if not bag.exists():
        raise ValueError(f"path must be a bag (.mcap, .db3 or a bag's folder). Got '{bag}', which does not exist")
    try:
        with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
            types = {topic: info.msgtype or "" for topic, info in reader.topics.items()}
            image, info = _choose_topics(types, image_topic, bag)
            yield from _shots_of(reader, image, info, warn)
    except AnyReaderError as error:
        raise ValueError(f"'{bag}' cannot be read as a bag: {error}") from error


def _choose_topics(types: Mapping[str, str], image_topic: str, bag: Path) -> tuple[str, str]:
    images = sorted(t for t, kind in types.items() if kind in _IMAGE_TYPES)
    image = image_topic or (images[0] if images else "")
    if image not in images:
        wanted = f"no images on '{image}'" if image else "no images"
        raise ValueError(f"'{bag}' has {wanted}; its topics with images: {', '.join(images) or 'none'}")
    infos = sorted(t for t, kind in types.items() if kind == "sensor_msgs/msg/CameraInfo")
    beside = image.rsplit("/", 2 if types[image].endswith("CompressedImage") else 1)[0] + "/camera_info"
    if beside in infos:
        return image, beside
    if not infos:
        raise ValueError(f"'{bag}' has no sensor_msgs/CameraInfo, which '{image}' needs")
    return image, infos[0]


def _shots_of(reader: Any, image: str, info: str, warn: Callable[[str], None]) -> Iterator[Shot]:
    connections = [c for c in reader.connections if c.topic in (image, info)]
    # The first camera_info may come after the first image; a camera's calibration does not change in between.
    first = next(reader.messages(connections=[c for c in connections if c.topic == info]), None)
    if first is None:
        raise ValueError(f"the bag has no message on '{info}', the camera_info of '{image}'")
    latest = lower_case(reader.deserialize(first[2], first[0].msgtype))
    for connection, _, raw in reader.messages(connections=connections):
        message = reader.deserialize(raw, connection.msgtype)
        if connection.topic == info:
            latest = lower_case(message)
            continue
        try:
            pixels = _IMAGE_TYPES[connection.msgtype](message)
            camera = intrinsics_from(latest, width=pixels.shape[1], height=pixels.shape[0], rectified=False)
        except BadMessageError as error:
            warn(f"a message on '{image}' is left out: {error}")
            continue
        yield Shot(frame=Frame(image=pixels, intrinsics=camera))
