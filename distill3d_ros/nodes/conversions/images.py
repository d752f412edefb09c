"""sensor_msgs images <-> numpy arrays.

cv_bridge does the decoding where it is installed; the numpy path serves everywhere else and gives the same arrays.
Depth follows REP 117 and 118: 16UC1 is millimetres with 0 for "unknown", 32FC1 is metres with NaN for "unknown"
and +Inf for "nothing came back".
"""

from __future__ import annotations

import array
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from distill3d_ros.nodes.conversions.encodings import COLOUR_ENCODINGS, decode_colour
from distill3d_ros.scene.frame import check_image_size
from distill3d_ros.system.texts import shown

try:
    from cv_bridge import CvBridge

    _BRIDGE: Any = CvBridge()
    CV_BRIDGE_STATE = "installed"
except (ImportError, AttributeError) as reason:  # AttributeError: built for another numpy
    _BRIDGE = None
    CV_BRIDGE_STATE = f"not used ({reason}); numpy converts the images"

DEPTH_TYPES: dict[str, str] = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
"""Encodings of depth images, and their numpy types less the byte order."""
LONGEST_ASPECT = 10.0
"""Of a camera's picture; a panorama has 4."""


class BadMessageError(ValueError):
    """A message that cannot be used; the text says what is wrong with it and what to do."""


def image_to_rgb(message: Image, *, bridge: bool = True) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB. ``bridge=False`` takes the numpy path even where cv_bridge is installed.

    Raises:
        BadMessageError: the size is that of no picture, the encoding unknown or the data too short.
    """
    try:
        pixels = decode_colour(
            message.encoding,
            width=message.width,
            height=message.height,
            big_endian=bool(message.is_bigendian),
            rows=lambda kind, values, rows: _rows(message, kind, values, rows),
        )
    except BadMessageError:
        raise
    except Exception as error:  # ValueError, cv2.error
        raise BadMessageError(f"a '{message.encoding}' image cannot be decoded: {error}") from error
    if pixels is not None:
        return pixels
    if bridge and _BRIDGE is not None and message.encoding not in DEPTH_TYPES:
        return _rgb_by_bridge(message)
    raise BadMessageError(
        f"image encoding must be one of {', '.join(COLOUR_ENCODINGS)}. Got {shown(message.encoding)}"
        + (
            "; that is a depth image: remap `image` to a colour topic, and `depth` to this one"
            if message.encoding in DEPTH_TYPES
            else "; image_proc and image_transport convert images"
        )
    )


def image_to_depth(message: Image) -> NDArray[np.float32]:
    """(H, W) float32 metres; NaN where unknown, +Inf where nothing came back.

    Raises:
        BadMessageError: the size is zero, the encoding unknown or the data too short.
    """
    kind = DEPTH_TYPES.get(message.encoding)
    if kind is None:
        raise BadMessageError(f"depth encoding must be one of {', '.join(DEPTH_TYPES)}. Got {shown(message.encoding)}")
    values = _rows(message, np.dtype((">" if message.is_bigendian else "<") + kind), message.width, message.height)
    depth = values.astype(np.float32)
    if kind == "u2":
        depth *= np.float32(0.001)
    depth[depth == 0] = np.nan
    return depth


def compressed_to_rgb(message: CompressedImage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a JPEG or PNG.

    Raises:
        BadMessageError: the data is empty or not a picture.
    """
    import cv2  # here, because raw images do without it

    if "compressedDepth" in message.format:
        raise BadMessageError(f"compressed image must be a colour picture. Got format '{message.format}'")
    data = np.frombuffer(message.data, np.uint8)
    # Orientation tags are ignored: the intrinsics belong to the pixels as the sensor wrote them.
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    if decoded is None:
        raise BadMessageError(
            f"compressed image could not be decoded: {data.size} bytes, format {shown(message.format)}; "
            "jpeg and png are understood"
        )
    _check_size(decoded.shape[1], decoded.shape[0])
    return np.ascontiguousarray(decoded[..., ::-1])


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


def _check_size(width: int, height: int) -> None:
    try:
        check_image_size(width=width, height=height, longest_aspect=LONGEST_ASPECT)
    except ValueError as error:
        raise BadMessageError(str(error)) from error


def _rows(message: Image, kind: np.dtype[Any], values: int, rows: int) -> NDArray[Any]:
    """(rows, values) view into the message's data; padding at the end of rows is skipped."""
    step, row = message.step, values * kind.itemsize
    if message.width == 0 or message.height == 0:
        raise BadMessageError(f"image must be at least 1x1 pixels. Got {message.width}x{message.height}")
    if step < row:
        raise BadMessageError(
            f"image step must be at least {row} bytes for {message.width} pixels of {message.encoding}. Got {step}"
        )
    if len(message.data) < step * (rows - 1) + row:
        raise BadMessageError(
            f"image data must hold step x height = {step} x {rows} = {step * rows} bytes. Got {len(message.data)}"
        )
    _check_size(message.width, message.height)
    return np.ndarray((rows, values), kind, np.frombuffer(message.data, np.uint8), strides=(step, kind.itemsize))


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
