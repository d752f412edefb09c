"""Encodings of colour images on sensor_msgs/Image, decoded by numpy and OpenCV into the arrays that cv_bridge gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHANNELS: dict[str, list[int]] = {
    "rgb8": [0, 1, 2],
    "bgr8": [2, 1, 0],
    "rgba8": [0, 1, 2],
    "bgra8": [2, 1, 0],
    "mono8": [0, 0, 0],
    "rgb16": [0, 1, 2],
    "bgr16": [2, 1, 0],
    "rgba16": [0, 1, 2],
    "bgra16": [2, 1, 0],
    "mono16": [0, 0, 0],
}
"""Encodings of whole pixels -> the channels that are red, green and blue."""
UNNAMED = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8"}
"""Encodings that do not say what their channels are -> what OpenCV's pictures have."""
_SYNONYMS = {"yuv422": "uyvy", "yuv422_yuy2": "yuyv", "yuy2": "yuyv"}
# OpenCV names a pattern by the second row's second and third pixel: its BG is RGGB.
BAYER = {"bayer_rggb": "BG", "bayer_bggr": "RG", "bayer_gbrg": "GR", "bayer_grbg": "GB"}
PACKED_YUV = {"uyvy": "UYVY", "yuyv": "YUY2"}
PLANAR_YUV = {"nv12": "NV12", "nv21": "NV21"}
COLOUR_ENCODINGS: tuple[str, ...] = (
    *CHANNELS,
    *(f"{pattern}{bits}" for bits in (8, 16) for pattern in BAYER),
    *(*_SYNONYMS, *PACKED_YUV, *PLANAR_YUV, *UNNAMED),
)

Rows = Callable[[np.dtype[Any], int, int], NDArray[Any]]
"""(type, values a row, rows) -> (rows, values a row) of the message's data; refuses a message with too little."""


def decode_colour(encoding: str, *, width: int, height: int, big_endian: bool, rows: Rows) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8 RGB; None for an encoding that is not a colour image's.

    Raises:
        ValueError: the encoding does not allow this size.
    """
    name = canonical(encoding)
    bits = 16 if name.endswith("16") else 8
    kind = np.dtype(np.uint8) if bits == 8 else np.dtype(">u2" if big_endian else "<u2")
    if name in CHANNELS:
        channels = 1 if name.startswith("mono") else 4 if "a" in name else 3
        pixels = rows(kind, width * channels, height).reshape(height, width, channels)
        if name == "rgb8":
            return np.ascontiguousarray(pixels)
        return _to_8_bits(np.ascontiguousarray(pixels[..., CHANNELS[name]]))
    import cv2  # here, because the usual encodings do without it

    pattern = name.removesuffix(str(bits))
    if pattern in BAYER:
        _even(encoding, width=width, height=height)
        mosaic = np.ascontiguousarray(rows(kind, width, height).astype(kind.newbyteorder("=")))
        return _to_8_bits(cv2.cvtColor(mosaic, getattr(cv2, f"COLOR_Bayer{BAYER[pattern]}2RGB")))
    if name in PACKED_YUV:
        _even(encoding, width=width)
        pairs = np.ascontiguousarray(rows(kind, width * 2, height).reshape(height, width, 2))
        return _as_bytes(cv2.cvtColor(pairs, getattr(cv2, f"COLOR_YUV2RGB_{PACKED_YUV[name]}")))
    if name in PLANAR_YUV:
        _even(encoding, width=width, height=height)
        planes = np.ascontiguousarray(rows(kind, width, height + height // 2))
        return _as_bytes(cv2.cvtColor(planes, getattr(cv2, f"COLOR_YUV2RGB_{PLANAR_YUV[name]}")))
    return None


def canonical(encoding: str) -> str:
    """The name under which an encoding is decoded: drivers write 'YUY2', 'yuyv' and 'yuv422_yuy2' for the same."""
    if encoding in UNNAMED:
        return UNNAMED[encoding]
    lower = encoding.lower()
    return _SYNONYMS.get(lower, lower)


def encoding_warning(encoding: str) -> str:
    """What is uncertain about the colours of an encoding; empty for most."""
    if encoding not in UNNAMED or encoding == "8UC1":
        return ""
    return (
        f"image encoding '{encoding}' does not say in which order the colours are: it is taken for "
        f"{UNNAMED[encoding]}. If red and blue are confused, have the camera's driver say rgb8"
    )


def _even(encoding: str, **sides: int) -> None:
    for side, pixels in sides.items():
        if pixels % 2:
            raise ValueError(f"image {side} must be even for {encoding}. Got {pixels}")


def _to_8_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype.itemsize == 1:
        return _as_bytes(pixels)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 becomes 255, rounded to the nearest


def _as_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(pixels, np.uint8)
