"""sensor_msgs/CameraInfo <-> Intrinsics."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo

from distill3d_ros.nodes.conversions.images import BadMessageError, set_stamp
from distill3d_ros.scene.frame import Intrinsics

_ASPECT_TOLERANCE = 0.01
"""Image and camera_info may differ in size (a resized stream) but hardly in shape (that would be another crop)."""
_VISIBLE_DISTORTION = 0.02
"""|k1|, |k2|, |p1|, |p2| below this move no pixel by more than about a pixel at VGA."""


def intrinsics_from(message: CameraInfo, *, width: int, height: int, rectified: bool = True) -> Intrinsics:
    """The pinhole camera of an image of ``width`` x ``height`` pixels.

    ``rectified`` says that the image went through image_proc's rectification: then P holds its camera, else K does.
    Region of interest, binning and a stream that was resized to the same shape are accounted for.

    Raises:
        BadMessageError: the camera is not calibrated, or is another one than the image's.
    """
    camera = _calibrated(message, rectified)
    roi = message.roi
    if roi.width and roi.height:
        camera = camera.cropped(left=roi.x_offset, top=roi.y_offset, width=roi.width, height=roi.height)
    binning_x, binning_y = max(1, message.binning_x), max(1, message.binning_y)
    if binning_x > 1 or binning_y > 1:
        camera = camera.resized(width=max(1, camera.width // binning_x), height=max(1, camera.height // binning_y))
    if (camera.width, camera.height) == (width, height):
        return camera
    stretch = (width / camera.width) / (height / camera.height)
    if abs(stretch - 1.0) > _ASPECT_TOLERANCE:
        raise BadMessageError(
            f"camera_info is for {camera.width}x{camera.height} pixels but the image has {width}x{height}, "
            "another shape; remap `camera_info` to the topic that belongs to `image`"
        )
    return camera.resized(width=width, height=height)


def info_from(camera: Intrinsics, *, stamp_ns: int = 0, frame_id: str = "") -> CameraInfo:
    """The camera_info of an undistorted image."""
    message = CameraInfo(width=camera.width, height=camera.height, distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = camera.matrix.ravel().astype(float).tolist()
    message.r = np.eye(3).ravel().tolist()
    message.p = np.column_stack([camera.matrix, np.zeros(3)]).ravel().astype(float).tolist()
    set_stamp(message.header.stamp, stamp_ns)
    message.header.frame_id = frame_id
    return message


def distortion_warning(message: CameraInfo, *, rectified: bool) -> str | None:
    """Warning where the lens distortion is too large for the pinhole model; None when fine."""
    if rectified or not len(message.d) or max(abs(d) for d in message.d[:4]) < _VISIBLE_DISTORTION:
        return None
    return (
        f"the lens is distorted (d = {[round(float(d), 3) for d in message.d]}) and the image is not rectified; "
        "places near the image's edge will be off. Run image_proc and remap `image` to its image_rect"
    )


def _calibrated(message: CameraInfo, rectified: bool) -> Intrinsics:
    name, row = ("P", 4) if rectified else ("K", 3)
    values = message.p if rectified else message.k
    if rectified and not np.any(values):
        name, row, values = "K", 3, message.k  # many drivers leave P empty
    try:
        return Intrinsics(
            fx=float(values[0]),
            fy=float(values[row + 1]),
            cx=float(values[2]),
            cy=float(values[row + 2]),
            width=int(message.width),
            height=int(message.height),
        )
    except ValueError as error:
        raise BadMessageError(f"camera_info {name} cannot be used: {error}; calibrate the camera") from error
