"""Depth as sensor_msgs/CompressedImage in the layout of image_transport's compressedDepth, which RViz and others read.

The data are 12 bytes (int32 0, float32 a, float32 b) and a PNG of 16 bits that holds q = a / depth + b in whole
numbers; 0 is unknown. Steps of depth grow with its square: 0.1 mm at 1 m, 1 cm at 10 m.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage

from distill3d_ros.nodes.conversions.images import byte_array, set_stamp

FORMAT: Final = "32FC1; compressedDepth png"
FARTHEST_M: Final = 50.0
"""Farther depth is unknown to those who read it."""
_QUANTIZATION: Final = 100.0
"""``depth_quantization`` of image_transport, its default."""
_A: Final = _QUANTIZATION * (_QUANTIZATION + 1)
_B: Final = 1 - _A / FARTHEST_M
_FAST: Final = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_MOST: Final = 65535


def depth_to_compressed(depth: NDArray[np.floating[Any]], *, stamp_ns: int = 0, frame_id: str = "") -> CompressedImage:
    """(H, W) metres, 0 or NaN where unknown. Nearer than 0.155 m is told as that."""
    if depth.ndim != 2:
        raise ValueError(f"depth must be (H, W). Got shape {depth.shape}")
    metres = np.asarray(depth, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        known = (metres > 0) & (metres < FARTHEST_M)
        codes = np.where(known, np.minimum(_A / metres + _B, _MOST), 0).round().astype(np.uint16)
    _, picture = cv2.imencode(".png", codes, _FAST)
    header = np.frombuffer(struct.pack("<iff", 0, _A, _B), np.uint8)
    message = CompressedImage(format=FORMAT, data=byte_array(np.concatenate([header, picture.reshape(-1)])))
    set_stamp(message.header.stamp, stamp_ns)
    message.header.frame_id = frame_id
    return message
