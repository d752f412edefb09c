"""Depth images -> sensor_msgs/PointCloud2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from distill3d_ros.nodes.conversions.images import byte_array, set_stamp
from distill3d_ros.scene.frame import Intrinsics

try:
    from sensor_msgs_py.point_cloud2 import create_cloud as _create_cloud
except ImportError:
    _create_cloud = None

POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<f4")])
"""One point; the colour is 0x00RRGGBB in a float's bits, as RViz and PCL expect it."""


def cloud_from(
    depth: NDArray[np.floating[Any]],
    intrinsics: Intrinsics,
    image: NDArray[np.uint8],
    *,
    organised: bool = False,
    stride: int = 1,
    stamp_ns: int = 0,
    frame_id: str = "",
) -> PointCloud2:
    """Coloured points in the optical frame.

    Args:
        depth: (H, W) metres; what is not finite or not positive is no point.
        image: (H, W, 3) RGB of the same size.
        organised: keep the image's rows and columns, with NaN where there is no point.
        stride: take every n-th row and column.
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1. Got {stride}")
    if depth.shape != image.shape[:2] or depth.shape != (intrinsics.height, intrinsics.width):
        raise ValueError(
            f"depth {depth.shape}, image {image.shape[:2]} and intrinsics "
            f"{(intrinsics.height, intrinsics.width)} must have the same (height, width)"
        )
    z = depth[::stride, ::stride].astype(np.float32)  # (h, w)
    colour = image[::stride, ::stride].astype(np.uint32)  # (h, w, 3)
    valid = np.isfinite(z) & (z > 0)
    points = np.empty(z.shape, POINT)
    with np.errstate(invalid="ignore"):
        rays = intrinsics.rays()[::stride, ::stride]
        for axis, name in enumerate(("x", "y", "z")):
            points[name] = np.where(valid, rays[..., axis] * z, np.float32(np.nan))
    points["rgb"] = (colour[..., 0] << 16 | colour[..., 1] << 8 | colour[..., 2]).view(np.float32)
    return _to_message(points if organised else points[valid], bool(valid.all()) or not organised, stamp_ns, frame_id)


def points_of(message: PointCloud2) -> NDArray[Any]:
    """(height, width) structured array with the fields of ``POINT``; the reverse of ``cloud_from``."""
    return np.frombuffer(message.data, POINT).reshape(message.height, message.width)


def _to_message(points: NDArray[Any], dense: bool, stamp_ns: int, frame_id: str) -> PointCloud2:
    height, width = points.shape if points.ndim == 2 else (1, points.shape[0])
    header = Header(frame_id=frame_id)
    set_stamp(header.stamp, stamp_ns)
    fields = [
        PointField(name=str(name), offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(POINT.names or ())
    ]
    if _create_cloud is not None:
        message = _create_cloud(header, fields, points.reshape(-1))
    else:
        message = PointCloud2(header=header, fields=fields, point_step=POINT.itemsize, data=byte_array(points))
    message.height, message.width = height, width
    message.row_step = width * POINT.itemsize
    message.is_bigendian = False
    message.is_dense = dense
    return message
