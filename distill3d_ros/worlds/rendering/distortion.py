"""Lens distortion, as it remains after an imperfect calibration.

Pictures are rendered by a pinhole camera and distorted afterwards, with depth and ids; the ground truth stays the
pinhole camera's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.worlds.rendering.interface import Observation

LARGEST = 0.05
"""Shift of a corner that ``sample_distortion`` draws at most, as a share of its distance from the centre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """Coefficients of Brown (1966) and Conrady (1919) as OpenCV and ROS's ``plumb_bob`` order them, without k3."""

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0

    @property
    def coefficients(self) -> FloatArray:
        return np.array([self.k1, self.k2, self.p1, self.p2])


def sample_distortion(rng: np.random.Generator, intrinsics: Intrinsics, *, largest: float = LARGEST) -> Distortion:
    """A lens that moves the corners of the image by up to ``largest``, and whose axis is slightly tilted.

    Barrel and pincushion are equally likely.
    """
    corner = _corner_radius(intrinsics)
    first, second = rng.uniform(-largest, largest), rng.uniform(-largest, largest) / 4
    tangential = rng.uniform(-largest, largest, 2) / (20 * corner)
    return Distortion(k1=first / corner**2, k2=second / corner**4, p1=float(tangential[0]), p2=float(tangential[1]))


def covering_pinhole(intrinsics: Intrinsics, distortion: Distortion) -> Intrinsics:
    """The pinhole camera of the same size that covers the distorted picture's field of view: shorter focal lengths.

    Where the distorted picture covers less than the undistorted one, the camera itself.
    """
    u, v = _straight_pixels(intrinsics, distortion)
    reach = 1.0
    for at, center, size in ((u, intrinsics.cx, intrinsics.width), (v, intrinsics.cy, intrinsics.height)):
        reach = max(reach, (center - at.min()) / (center + 0.5), (at.max() - center) / (size - 0.5 - center))
    k = intrinsics
    return Intrinsics(fx=k.fx / reach, fy=k.fy / reach, cx=k.cx, cy=k.cy, width=k.width, height=k.height)


def distort(pinhole: Observation, rendered: Intrinsics, intrinsics: Intrinsics, distortion: Distortion) -> Observation:
    """A pinhole camera's observation as taken through a lens with distortion.

    Args:
        pinhole: rendered with the intrinsics ``rendered``, see ``covering_pinhole``.
        intrinsics: of the distorted picture, of the same size.

    Depth and ids are those of the nearest rendered pixel; colours are interpolated.
    """
    u, v = _straight_pixels(intrinsics, distortion)
    columns = ((u - intrinsics.cx) / intrinsics.fx * rendered.fx + rendered.cx).astype(np.float32)
    rows = ((v - intrinsics.cy) / intrinsics.fy * rendered.fy + rendered.cy).astype(np.float32)
    r = np.clip(np.rint(rows), 0, rendered.height - 1).astype(int)
    c = np.clip(np.rint(columns), 0, rendered.width - 1).astype(int)
    rgb = cv2.remap(pinhole.rgb, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Observation(rgb=np.asarray(rgb, np.uint8), depth=pinhole.depth[r, c], ids=pinhole.ids[r, c])


def _straight_pixels(k: Intrinsics, distortion: Distortion) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(H, W) u and v in a pinhole camera of the same intrinsics of the ray of each distorted pixel."""
    v, u = np.mgrid[: k.height, : k.width].astype(np.float64)
    matrix = np.array([[k.fx, 0, k.cx], [0, k.fy, k.cy], [0, 0, 1]])
    points = np.stack([u, v], -1).reshape(-1, 1, 2)
    straight = cv2.undistortPoints(points, matrix, distortion.coefficients, P=matrix)
    straight = np.asarray(straight, np.float64).reshape(k.height, k.width, 2)
    return straight[..., 0], straight[..., 1]


def _corner_radius(k: Intrinsics) -> float:
    """Of the farthest corner, over the focal length."""
    x = max(k.cx + 0.5, k.width - 0.5 - k.cx) / k.fx
    y = max(k.cy + 0.5, k.height - 0.5 - k.cy) / k.fy
    return float(np.hypot(x, y))
