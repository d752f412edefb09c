"""sensor_msgs images <-> numpy arrays.

cv_bridge decodes what ``system.ros_messages`` does not know, where it is installed.
"""

from __future__ import annotations

import array
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from distill3d_ros.system.ros_messages import BadMessageError, colour_pixels

try:
    from cv_bridge import CvBridge

    _BRIDGE: Any = CvBridge()
    CV_BRIDGE_STATE = "installed"
except (ImportError, AttributeError) as reason:  # AttributeError: built for another numpy
    _BRIDGE = None
    CV_BRIDGE_STATE = f"not used ({reason}); numpy converts the images"


def image_to_rgb(message: Image, *, bridge: bool = True) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB. ``bridge=False`` takes the numpy path even where cv_bridge is installed.

    Raises:
        BadMessageError: the size is that of no picture, the encoding unknown or the data too short.
    """
    return colour_pixels(message, otherwise=_rgb_by_bridge if bridge and _BRIDGE is not None else None)


def rgb_to_image(image: NDArray[np.uint8], *, stamp_ns: int = 0, frame_id: str = "") -> Image:
    """(H, W, 3) uint8 RGB -> rgb8."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3) uint8. Got shape {image.shape}, {image.dtype}")
    return _message(image, "rgb8", 3, stamp_ns, frame_id)


def depth_to_image(depth: NDArray[np.floating[Any]], *, stamp_ns: int = 0, frame_id: str = "") -> Image:
    """(H, W) metres -> 32FC1; 0 becomes NaN, as REP 118 wants it."""
    if depth.ndim != 2:
        raise ValueError(f"depth must be (H, W). Got shape {depth.shape}")
    metres = depth.astype(np.float32)
    metres[metres == 0] = np.nan
    return _message(metres, "32FC1", 4, stamp_ns, frame_id)


def rgb_to_compressed(
    image: NDArray[np.uint8], *, stamp_ns: int = 0, frame_id: str = "", quality: int = 90
) -> CompressedImage:
    """(H, W, 3) uint8 RGB -> JPEG."""
    import cv2

    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    message = CompressedImage(format="rgb8; jpeg compressed bgr8", data=byte_array(encoded))
    _stamp(message, stamp_ns, frame_id)
    return message


def byte_array(values: NDArray[Any]) -> array.array[int]:
    """The fast way into a uint8[] field: rclpy takes an array.array as it is, and anything else value by value."""
    filled = array.array("B")
    filled.frombytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return filled


def stamp_to_ns(stamp: Any) -> int:
    """builtin_interfaces/Time (or Duration) -> nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def set_stamp(stamp: Any, ns: int) -> None:
    """Nanoseconds -> builtin_interfaces/Time (or Duration), in place."""
    stamp.sec, stamp.nanosec = divmod(int(ns), 1_000_000_000)


def _rgb_by_bridge(message: Image) -> NDArray[np.uint8]:
    try:
        return np.ascontiguousarray(_BRIDGE.imgmsg_to_cv2(message, "rgb8"))
    except Exception as error:  # CvBridgeError, cv2.error, TypeError: cv_bridge raises all of these for bad images
        raise BadMessageError(f"cv_bridge cannot turn a '{message.encoding}' image into rgb8: {error}") from error


def _message(pixels: NDArray[Any], encoding: str, pixel_bytes: int, stamp_ns: int, frame_id: str) -> Image:
    message = Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.shape[1] * pixel_bytes,
        data=byte_array(pixels),
    )
    _stamp(message, stamp_ns, frame_id)
    return message


def _stamp(message: Any, stamp_ns: int, frame_id: str) -> None:
    set_stamp(message.header.stamp, stamp_ns)
    message.header.frame_id = frame_id
