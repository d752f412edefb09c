"""Pictures of a distorted lens made into those of a pinhole camera, by OpenCV's lens models.

sensor_msgs/CameraInfo's ``plumb_bob`` and ``rational_polynomial`` (with thin prism and tilt where D has them) are
OpenCV's standard model, ``equidistant`` (Kannala and Brandt, "A generic camera model", 2006) is its fisheye model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.system.camera_messages import intrinsics_from, uses_projection
from distill3d_ros.system.texts import shown

STANDARD = ("plumb_bob", "rational_polynomial", "")
FISHEYE = ("equidistant", "fisheye", "kannala_brandt")
LEAST_SHIFT = 1.0
"""Pixels: a lens that moves no pixel by more needs no correction."""
WIDEST = math.radians(110.0)
"""Field of view of the pinhole picture: beyond it, its edges are smeared and its middle is small."""
_STEPS = 12

Distort = Callable[[FloatArray], FloatArray]
"""(N, 2) pixels of the picture as it came, from (N, 2) directions x / z, y / z."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCamera:
    """The pinhole camera of a topic's pictures, and how they become those of one."""

    intrinsics: Intrinsics
    maps: tuple[NDArray[Any], NDArray[Any]] | None = None
    """OpenCV's, from the pinhole picture to the picture as it came; None where it is one."""
    note: str = ""
    """What a user should know about the lens; empty for nothing."""

    def picture(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) as it came -> the same size, undistorted."""
        if self.maps is None:
            return pixels
        import cv2  # here, because undistorted pictures do without it

        return np.asarray(cv2.remap(pixels, *self.maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    def depth(self, metres: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W) depth registered to the picture as it came -> to the undistorted one; NaN where there is none."""
        if self.maps is None:
            return metres
        import cv2

        # Nearest: a mean of two depths would lie in mid-air.
        moved = cv2.remap(metres, *self.maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=math.nan)
        return np.asarray(moved, np.float32)


class Rectifier:
    """Keeps what was computed for a camera_info as long as its contents stay the same."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._camera: PictureCamera | None = None

    def camera(self, message: CameraInfo, *, width: int, height: int, rectified: bool) -> PictureCamera:
        """The camera of pictures of ``width`` x ``height`` pixels.

        Raises:
            BadMessageError: the camera_info cannot be used.
        """
        roi = message.roi
        region = (roi.x_offset, roi.y_offset, roi.width, roi.height, message.binning_x, message.binning_y)
        size = (message.width, message.height, width, height, rectified)
        key = (*size, *region, message.distortion_model, tuple(message.k), tuple(message.d), tuple(message.p))
        if self._camera is None or key != self._key:
            self._camera, self._key = _camera_of(message, width, height, rectified), key
        return self._camera


def _camera_of(message: CameraInfo, width: int, height: int, rectified: bool) -> PictureCamera:
    camera = intrinsics_from(message, width=width, height=height, rectified=rectified)
    if rectified:
        return PictureCamera(intrinsics=camera)
    if uses_projection(message, rectified=False):
        note = "camera_info K is all zeros: its P is used, as of a rectified picture; `rectified` says so"
        return PictureCamera(intrinsics=camera, note=note)
    coefficients = np.array(message.d, float)
    model = message.distortion_model.lower()
    if model not in (*STANDARD, *FISHEYE) or not np.isfinite(coefficients).all():
        if not np.any(coefficients):
            return PictureCamera(intrinsics=camera)
        note = (
            f"the lens is distorted by a model that is not known here, {shown(message.distortion_model)} with d = "
            f"{shown(coefficients.tolist())}; places near the picture's edge will be off. Run the driver's "
            "rectification and remap `image` to its picture, with `rectified`"
        )
        return PictureCamera(intrinsics=camera, note=note)
    fisheye = model in FISHEYE
    distort = _distort_by(camera, coefficients, fisheye)
    edge = _border(camera)
    if (np.abs(distort(edge) - _pixels(camera, edge)) <= LEAST_SHIFT).all():
        return PictureCamera(intrinsics=camera)
    pinhole = _pinhole(camera, distort)
    import cv2

    make: Any = cv2.fisheye.initUndistortRectifyMap if fisheye else cv2.initUndistortRectifyMap
    d = _sized(coefficients, (4,) if fisheye else (5, 8, 12, 14))
    maps = make(camera.matrix, d, np.eye(3), pinhole.matrix, (width, height), cv2.CV_32FC1)
    note = (
        f"the lens is distorted ({model or 'plumb_bob'}): pictures are undistorted to a pinhole camera of "
        f"{math.degrees(pinhole.horizontal_fov):.0f} degrees, and what is published belongs to that one, as "
        "~/depth/camera_info tells"
    )
    return PictureCamera(intrinsics=pinhole, maps=maps, note=note)


def _distort_by(camera: Intrinsics, coefficients: FloatArray, fisheye: bool) -> Distort:
    import cv2

    none = np.zeros(3)
    if fisheye:
        d = _sized(coefficients, (4,))
        return lambda rays: cv2.fisheye.distortPoints(rays[None].astype(float), camera.matrix, d)[0]
    d = _sized(coefficients, (5, 8, 12, 14))

    def distort(rays: FloatArray) -> FloatArray:
        points = np.column_stack([rays, np.ones(len(rays))])
        return np.asarray(cv2.projectPoints(points, none, none, camera.matrix, d)[0][:, 0], np.float64)

    return distort


def _sized(coefficients: FloatArray, lengths: tuple[int, ...]) -> FloatArray:
    """Padded with zeros to a length that OpenCV takes; what is more than the model has is left out."""
    length = next((n for n in lengths if n >= len(coefficients)), lengths[-1])
    return np.pad(coefficients[:length], (0, max(0, length - len(coefficients))))


def _pinhole(camera: Intrinsics, distort: Distort) -> Intrinsics:
    """The widest pinhole camera of the same size, up to WIDEST, whose whole picture the distorted one shows."""
    longer = max(camera.width, camera.height)
    focal = max(longer / 2 / math.tan(WIDEST / 2), 0.5 * min(camera.fx, camera.fy))
    while True:
        wanted = Intrinsics(
            fx=focal,
            fy=focal,
            cx=(camera.width - 1) / 2,
            cy=(camera.height - 1) / 2,
            width=camera.width,
            height=camera.height,
        )
        if _is_shown(_border(wanted), camera, distort) or focal > 4 * max(camera.fx, camera.fy):
            return wanted
        focal *= 1.02


def _is_shown(edge: FloatArray, camera: Intrinsics, distort: Distort) -> bool:
    """Whether the picture as it came shows these directions, and the lens model still grows outwards there."""
    shares = np.linspace(0.0, 1.0, _STEPS)
    seen = np.stack([distort(share * edge) for share in shares])  # (steps, N, 2)
    radius = np.linalg.norm(seen - seen[0], axis=-1)
    inside = (seen[-1] >= -0.5) & (seen[-1] <= (camera.width - 0.5, camera.height - 0.5))
    return bool(inside.all() and (np.diff(radius, axis=0) > 0).all())


def _border(camera: Intrinsics) -> FloatArray:
    """(N, 2) directions x / z, y / z to pixels all along the picture's edge."""
    u, v = np.linspace(0, camera.width - 1, 9), np.linspace(0, camera.height - 1, 9)
    sides = [(u, 0 * v), (u, 0 * v + camera.height - 1), (0 * u, v), (0 * u + camera.width - 1, v)]
    pixels = np.concatenate([np.column_stack(side) for side in sides])
    return (pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy)


def _pixels(camera: Intrinsics, rays: FloatArray) -> FloatArray:
    return rays * (camera.fx, camera.fy) + (camera.cx, camera.cy)
