"""The student's maps at the size of the camera's picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.student.arrays import to_numpy


def resized(values: Any, size: tuple[int, int]) -> FloatArray:
    """(h, w) of torch or numpy -> (H, W) float32, bilinear, pixel centres kept in place."""
    height, width = size
    return np.asarray(cv2.resize(to_numpy(values), (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
