"""Choice of the frames of a scan that a student perceives."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import Frame
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.rgbd_frames import RgbdFrames
from distill3d_ros.training.data.importers.scannet.scan_files import ScanFiles
from distill3d_ros.training.data.reading import evenly_spaced

CANDIDATES = 5
"""Frames of each part of a scan that are compared."""
SHARPNESS_WIDTH = 320
"""Pixels; the sensor's noise must not count as sharpness."""


def scan_views(files: ScanFiles, number: int) -> list[Frame]:
    """At most ``number`` frames of a scan, in its order, with poses in its aligned world and the direction up.

    Frames without a picture or a finite pose are passed over. The others are cut, in their order, into ``number`` parts
    of equal length; five frames spread over each part are compared, and the sharpest is taken.

    Raises:
        SourceError: no frame can be used, or a file is not as published.
    """
    frames = files.frames()
    usable = [n for n in frames.views if np.isfinite(frames.pose(n)).all()]
    if not usable:
        raise SourceError(
            f"no frame of {frames.source} has a picture and a finite pose; export its frames again with ScanNet's "
            "SensReader"
        )
    count = min(number, len(usable))
    parts = [usable[i * len(usable) // count : (i + 1) * len(usable) // count] for i in range(count)]
    return [_frame(files, frames, _sharpest(frames, part)) for part in parts]


def sharpness(image: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of a picture (H, W, 3), made 320 pixels wide: low where it is blurred (Pech-Pacheco et
    al., ICPR 2000, LAPV)."""
    height = max(1, round(image.shape[0] * SHARPNESS_WIDTH / image.shape[1]))
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (SHARPNESS_WIDTH, height), interpolation=cv2.INTER_AREA)
    return float(np.var(cv2.Laplacian(grey, cv2.CV_64F)))


def _sharpest(frames: RgbdFrames, part: list[int]) -> int:
    compared = [part[i] for i in evenly_spaced(len(part), CANDIDATES)]
    return compared[0] if len(compared) == 1 else max(compared, key=lambda n: sharpness(frames.image(n)))


def _frame(files: ScanFiles, frames: RgbdFrames, number: int) -> Frame:
    pose = files.axis_alignment @ frames.pose(number)
    up = pose[:3, :3].T @ np.array([0.0, 0.0, 1.0])
    return Frame(
        image=frames.image(number), intrinsics=frames.color, up=up / np.linalg.norm(up), world_from_camera=pose
    )
