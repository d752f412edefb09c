"""Images in ROS messages -> numpy arrays, without ROS: of a node or of a bag.

Depth follows REP 117 and 118: 16UC1 is millimetres with 0 for "unknown", 32FC1 is metres with NaN for "unknown"
and +Inf for "nothing came back".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import check_image_size
from distill3d_ros.system.image_encodings import COLOUR_ENCODINGS, decode_colour
from distill3d_ros.system.texts import shown

DEPTH_TYPES: dict[str, str] = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
"""Encodings of depth images, and their numpy types less the byte order."""
LONGEST_ASPECT = 10.0
"""Of a camera's picture; a panorama has 4."""


class BadMessageError(ValueError):
    """A message that cannot be used; the text says what is wrong with it and what to do."""


def colour_pixels(message: Any, *, otherwise: Callable[[Any], NDArray[np.uint8]] | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a sensor_msgs/Image.

    ``otherwise`` decodes what is not known here, such as cv_bridge.

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
    if otherwise is not None and message.encoding not in DEPTH_TYPES:
        return otherwise(message)
    raise BadMessageError(
        f"image encoding must be one of {', '.join(COLOUR_ENCODINGS)}. Got {shown(message.encoding)}"
        + (
            "; that is a depth image: remap `image` to a colour topic, and `depth` to this one"
            if message.encoding in DEPTH_TYPES
            else "; image_proc and image_transport convert images"
        )
    )


def image_to_depth(message: Any) -> NDArray[np.float32]:
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


def compressed_to_rgb(message: Any) -> NDArray[np.uint8]:
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


def _check_size(width: int, height: int) -> None:
    try:
        check_image_size(width=width, height=height, longest_aspect=LONGEST_ASPECT)
    except ValueError as error:
        raise BadMessageError(str(error)) from error


def _rows(message: Any, kind: np.dtype[Any], values: int, rows: int) -> NDArray[Any]:
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
