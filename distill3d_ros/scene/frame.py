"""One RGB image and its camera: intrinsics, up vector, pose, height, depth as far as known.

Pixel coordinates follow OpenCV and ROS: ``u`` grows to the right, ``v`` downwards, and the centre of the
top-left pixel is (0, 0). The optical frame is REP 103's: x right, y down, z forward, in metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]

LARGEST_SIDE, LARGEST_AREA = 16384, 100_000_000
"""Pixels of a picture's longer side, and in all, that can be looked at."""
LONGEST_ASPECT = 150.0
"""Of a picture's longer side to its shorter one. The student's network keeps the aspect and never has a side of less
than a patch, so that a longer strip would cost more time the longer it is."""


def check_image_size(*, width: int, height: int, longest_aspect: float = LONGEST_ASPECT) -> None:
    """Raises ValueError for the size of what is no picture of a place, before time is spent on it."""
    longer, shorter = max(width, height), min(width, height)
    if shorter < 1 or longer > LARGEST_SIDE or width * height > LARGEST_AREA:
        raise ValueError(
            f"image must be at least 1x1 pixels, at most {LARGEST_SIDE} a side and {LARGEST_AREA // 10**6} million in "
            f"all. Got {width}x{height}"
        )
    if longer > longest_aspect * shorter:
        raise ValueError(
            f"image must be at most {longest_aspect:.0f} times as long as it is wide. Got {width}x{height}; is it a "
            "scan line, or are width and height confused?"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrinsics:
    """Pinhole camera, in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            value = getattr(self, name)
            if value <= 0:
                raise ValueError(f"camera {name} must be at least 1 pixel. Got {value}")
        for name in ("fx", "fy"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise ValueError(
                    f"camera {name} must be a positive number of pixels; is the camera calibrated? Got {value}"
                )
        for name in ("cx", "cy"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise ValueError(f"camera {name} must be finite; is the camera calibrated? Got {value}")

    @classmethod
    def from_fov(cls, *, width: int, height: int, horizontal_fov: float) -> Intrinsics:
        """Square pixels and a centred principal point. ``horizontal_fov`` in radians, in (0, pi)."""
        if not 0.0 < horizontal_fov < math.pi:
            raise ValueError(f"horizontal_fov must lie between 0 and pi radians. Got {horizontal_fov}")
        focal = width / 2 / math.tan(horizontal_fov / 2)
        return cls(fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2, width=width, height=height)

    @property
    def horizontal_fov(self) -> float:
        """Radians, between the outer edges of the outermost pixels."""
        return math.atan((self.cx + 0.5) / self.fx) + math.atan((self.width - 0.5 - self.cx) / self.fx)

    @property
    def vertical_fov(self) -> float:
        """Radians, between the outer edges of the outermost pixels."""
        return math.atan((self.cy + 0.5) / self.fy) + math.atan((self.height - 0.5 - self.cy) / self.fy)

    @property
    def matrix(self) -> FloatArray:
        """K, (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def resized(self, *, width: int, height: int) -> Intrinsics:
        """The same camera after the image was resized; the half-pixel shift of the centre is accounted for."""
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=width,
            height=height,
        )

    def cropped(self, *, left: int, top: int, width: int, height: int) -> Intrinsics:
        """The same camera after the rectangle at (left, top) was cut out."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def rays(self) -> FloatArray:
        """(H, W, 3) float32 directions with z = 1 through every pixel centre, in the optical frame."""
        u = (np.arange(self.width, dtype=np.float32) - self.cx) / self.fx
        v = (np.arange(self.height, dtype=np.float32) - self.cy) / self.fy
        rays = np.ones((self.height, self.width, 3), np.float32)
        rays[..., 0] = u[None, :]
        rays[..., 1] = v[:, None]
        return rays


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """An RGB image and its camera. Unknown values are None."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    intrinsics: Intrinsics
    up: FloatArray | None = None
    """(3,) unit vector against gravity in the optical frame, from tf or an accelerometer."""
    world_from_camera: FloatArray | None = None
    """(4, 4) pose of the optical frame in a z-up world, metres."""
    base_from_camera: FloatArray | None = None
    """(4, 4) pose of the optical frame in the robot's base frame (REP 105's base_link: x forward, y left, z up),
    metres; answers about places are then told from the robot."""
    camera_height: float | None = None
    """Metres of the camera above the floor, from tf or measured; it determines the scale where the floor is visible."""
    depth: FloatArray | None = None
    """(H, W) metres along the optical axis, 0 or NaN where unknown: an RGB-D camera's, or a simulated room's truth.
    Used by students with ``depth.kind`` "measured" only."""
    stamp_ns: int = 0
    frame_id: str = "camera_optical_frame"

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"image must be (H, W, 3) uint8 RGB. Got shape {self.image.shape}, {self.image.dtype}")
        if self.image.shape[:2] != (self.intrinsics.height, self.intrinsics.width):
            raise ValueError(
                f"image is {self.image.shape[1]}x{self.image.shape[0]} pixels but its intrinsics are for "
                f"{self.intrinsics.width}x{self.intrinsics.height}; use Intrinsics.resized for a resized image"
            )
        if self.depth is not None and np.shape(self.depth) != self.image.shape[:2]:
            raise ValueError(f"depth must be (H, W) = {self.image.shape[:2]} as the image. Got {np.shape(self.depth)}")
        if self.up is not None:
            norm = float(np.linalg.norm(self.up))
            if np.shape(self.up) != (3,) or not 0.99 < norm < 1.01:
                raise ValueError(f"up must be a (3,) unit vector in the optical frame. Got {self.up}")
        if self.camera_height is not None and not (math.isfinite(self.camera_height) and self.camera_height > 0):
            raise ValueError(f"camera_height must be a positive number of metres, or None. Got {self.camera_height}")
