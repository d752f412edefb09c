"""Cameras in ROS messages -> intrinsics, without ROS: of a node or of a bag."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.system.ros_messages import BadMessageError

_ASPECT_TOLERANCE = 0.01
"""Image and camera_info may differ in size (a resized stream) but hardly in shape (that would be another crop)."""
NARROWEST, WIDEST = math.radians(3.0), math.radians(170.0)
"""Field of view of a camera that can be: of a pinhole model, which none beyond follows."""
_MOST_ANAMORPHIC = 4.0
"""Ratio of fx to fy, either way."""


def intrinsics_from(message: Any, *, width: int, height: int, rectified: bool = True) -> Intrinsics:
    """The pinhole camera of an image of ``width`` x ``height`` pixels.

    ``rectified`` says that the image went through image_proc's rectification: then P holds its camera, else K does.
    Where that one is all zeros the other serves. Region of interest, binning and a stream that was resized to the same
    shape are accounted for.

    Raises:
        BadMessageError: the camera is not calibrated, cannot be a camera, or is another one than the image's.
    """
    camera = _calibrated(message, uses_projection(message, rectified=rectified))
    roi = message.roi
    if roi.width and roi.height:
        if roi.x_offset + roi.width > camera.width or roi.y_offset + roi.height > camera.height:
            raise BadMessageError(
                f"camera_info roi must lie inside the {camera.width}x{camera.height} pixels of the sensor. Got "
                f"{roi.width}x{roi.height} at ({roi.x_offset}, {roi.y_offset})"
            )
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


def uses_projection(message: Any, *, rectified: bool) -> bool:
    """Whether the picture's camera is P rather than K: of a rectified picture, and where K is all zeros."""
    return bool(np.any(message.p)) if rectified else not np.any(message.k) and bool(np.any(message.p))


def _calibrated(message: Any, projection: bool) -> Intrinsics:
    name, row = ("P", 4) if projection else ("K", 3)
    values = message.p if projection else message.k
    try:
        if list(message.k) == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0] and not projection:
            raise ValueError("it is the identity matrix, which no camera has")
        camera = Intrinsics(
            fx=float(values[0]),
            fy=float(values[row + 1]),
            cx=float(values[2]),
            cy=float(values[row + 2]),
            width=int(message.width),
            height=int(message.height),
        )
        _check_plausible(camera)
        return camera
    except ValueError as error:
        raise BadMessageError(f"camera_info {name} cannot be used: {error}; calibrate the camera") from error


def _check_plausible(camera: Intrinsics) -> None:
    """Raises ValueError for numbers that no camera has."""
    for side, centre, size in (("cx", camera.cx, camera.width), ("cy", camera.cy, camera.height)):
        if not -0.5 <= centre <= size - 0.5:
            raise ValueError(
                f"the principal point must lie inside the picture. Got {side} = {centre:g} of {size} pixels"
            )
    for name, fov in (("horizontal", camera.horizontal_fov), ("vertical", camera.vertical_fov)):
        if not NARROWEST <= fov <= WIDEST:
            raise ValueError(
                f"the {name} field of view must lie between {math.degrees(NARROWEST):.0f} and "
                f"{math.degrees(WIDEST):.0f} degrees. Got {math.degrees(fov):.1f} from fx = {camera.fx:g}, "
                f"fy = {camera.fy:g} and {camera.width}x{camera.height} pixels"
            )
    if not 1 / _MOST_ANAMORPHIC <= camera.fx / camera.fy <= _MOST_ANAMORPHIC:
        raise ValueError(f"fx and fy must be alike. Got {camera.fx:g} and {camera.fy:g}")


class _LowerCase:
    """A CameraInfo of a ROS 1 bag spells its fields K, P, D; this reads them as k, p, d."""

    def __init__(self, message: Any) -> None:
        self._message = message

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._message, name, None)
        return getattr(self._message, name.upper()) if value is None else value


def lower_case(message: Any) -> Any:
    """A CameraInfo whose fields are k, p, d, whichever ROS it is of."""
    return message if hasattr(message, "k") else _LowerCase(message)
