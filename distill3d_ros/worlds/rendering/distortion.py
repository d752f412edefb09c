"""What a lens does to a picture's geometry, and what is left of it after a calibration that was not perfect.

Pictures are drawn by a pinhole camera and bent afterwards, with depth and ids along: the truth stays the pinhole's.
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
    """A lens that moves the corners of the image by up to ``largest``, and whose axis is not quite at right angles.

    Barrel and pincushion are equally likely.
    """
    corner = _corner_radius(intrinsics)
    first, second = rng.uniform(-largest, largest), rng.uniform(-largest, largest) / 4
    tangential = rng.uniform(-largest, largest, 2) / (20 * corner)
    return Distortion(k1=first / corner**2, k2=second / corner**4, p1=float(tangential[0]), p2=float(tangential[1]))


def wider(intrinsics: Intrinsics, distortion: Distortion) -> Intrinsics:
    """The pinhole camera of the same size that sees all that the bent picture shows: shorter focal lengths.

    Where the bent picture shows less than the straight one, the camera itself.
    """
    u, v = _straight_pixels(intrinsics, distortion)
    reach = 1.0
    for at, center, size in ((u, intrinsics.cx, intrinsics.width), (v, intrinsics.cy, intrinsics.height)):
        reach = max(reach, (center - at.min()) / (center + 0.5), (at.max() - center) / (size - 0.5 - center))
    k = intrinsics
    return Intrinsics(fx=k.fx / reach, fy=k.fy / reach, cx=k.cx, cy=k.cy, width=k.width, height=k.height)


def bent(seen: Observation, drawn: Intrinsics, intrinsics: Intrinsics, distortion: Distortion) -> Observation:
    """What the distorted lens makes of a pinhole's picture.

    Args:
        seen: drawn with ``drawn``, see ``wider``.
        intrinsics: of the bent picture, of the same size.

    Depth and ids are those of the nearest drawn pixel; colours are interpolated.
    """
    u, v = _straight_pixels(intrinsics, distortion)
    columns = ((u - intrinsics.cx) / intrinsics.fx * drawn.fx + drawn.cx).astype(np.float32)
    rows = ((v - intrinsics.cy) / intrinsics.fy * drawn.fy + drawn.cy).astype(np.float32)
    r = np.clip(np.rint(rows), 0, drawn.height - 1).astype(int)
    c = np.clip(np.rint(columns), 0, drawn.width - 1).astype(int)
    rgb = cv2.remap(seen.rgb, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Observation(rgb=np.asarray(rgb, np.uint8), depth=seen.depth[r, c], ids=seen.ids[r, c])


def _straight_pixels(k: Intrinsics, distortion: Distortion) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(H, W) u and v at which a pinhole of the same intrinsics sees what each pixel of the bent picture shows."""
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
