"""Small bags with colour, registered depth, camera_info and transforms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STEP_NS = 100_000_000
"""Between two pictures."""
FOCAL = 60.0


def write_rgbd_bag(
    folder: Path,
    *,
    frames: int = 6,
    size: tuple[int, int] = (64, 48),
    depth: np.ndarray | None = None,
    encoding: str = "16UC1",
    info: bool = True,
    tilt: float | None = None,
    late_ns: int = 1_000_000,
) -> Path:
    """Picture i is of brightness 10 i.

    Args:
        depth: (H, W) metres; an empty array for no depth at all.
        tilt: radians by which the camera looks down, with tf from base_footprint, 0.8 m below it; None for no tf.
        late_ns: how much later than its picture depth is recorded.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    types, (width, height) = store.types, size
    depth = np.full((height, width), 1.5) if depth is None else depth
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:

        def topic(name: str, kind: str) -> object:
            return writer.add_connection(name, kind, typestore=store)

        def write(connection: object, time: int, message: object) -> None:
            writer.write(connection, time, store.serialize_cdr(message, connection.msgtype))

        def header(time: int, frame: str = "camera_optical") -> object:
            stamp = types["builtin_interfaces/msg/Time"](sec=0, nanosec=time)
            return types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame)

        image_kind = types["sensor_msgs/msg/Image"]
        colour = topic("/camera/color/image_raw", "sensor_msgs/msg/Image")
        deep = topic("/camera/aligned_depth_to_color/image_raw", "sensor_msgs/msg/Image") if depth.size else None
        infos = topic("/camera/color/camera_info", "sensor_msgs/msg/CameraInfo") if info else None
        if tilt is not None:
            static = topic("/tf_static", "tf2_msgs/msg/TFMessage")
            write(static, 1, _transforms(types, header(1, "base_footprint"), tilt))
        for i in range(frames):
            time = (i + 1) * STEP_NS
            pixels = np.full((height, width, 3), 10 * i, np.uint8)
            write(colour, time, image_kind(header(time), height, width, "rgb8", 0, 3 * width, pixels.ravel()))
            if infos is not None:
                k = np.array([FOCAL, 0, (width - 1) / 2, 0, FOCAL, (height - 1) / 2, 0, 0, 1])
                roi = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
                write(
                    infos,
                    time,
                    types["sensor_msgs/msg/CameraInfo"](
                        header(time),
                        height,
                        width,
                        "plumb_bob",
                        np.zeros(5),
                        k,
                        np.eye(3).ravel(),
                        np.zeros(12),
                        0,
                        0,
                        roi,
                    ),
                )
            if deep is not None:
                h, w = depth.shape
                values = (depth * 1000).round().astype(np.uint16) if encoding == "16UC1" else depth.astype(np.float32)
                data = values.ravel().view(np.uint8)
                write(deep, time + late_ns, image_kind(header(time), h, w, encoding, 0, values.itemsize * w, data))
    return folder


def _transforms(types: dict, header: object, tilt: float) -> object:
    """The optical frame (x right, y down, z ahead) 0.8 m above the floor, turned down by ``tilt``."""
    half = tilt / 2
    turned = np.array([np.sin(half), 0.0, 0.0, np.cos(half)])  # about the optical x axis, x y z w
    level = np.array([-0.5, 0.5, -0.5, 0.5])  # optical axes of a level camera in a frame with x ahead, z up
    x1, y1, z1, w1 = level
    x2, y2, z2, w2 = -turned[0], 0.0, 0.0, turned[3]
    q = (
        w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
        w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
        w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
    )
    transform = types["geometry_msgs/msg/Transform"](
        translation=types["geometry_msgs/msg/Vector3"](x=0.1, y=0.0, z=0.8),
        rotation=types["geometry_msgs/msg/Quaternion"](x=float(q[0]), y=float(q[1]), z=float(q[2]), w=float(q[3])),
    )
    stamped = types["geometry_msgs/msg/TransformStamped"](
        header=header, child_frame_id="camera_optical", transform=transform
    )
    return types["tf2_msgs/msg/TFMessage"](transforms=[stamped])
