"""Registration of two images: the motion of the camera from matched features and the first image's depth."""

from __future__ import annotations

import cv2
import numpy as np

from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.scene.geometry import invert_pose, transform_points

FEWEST_INLIERS = 15
"""Fewer points that agree on a motion may agree by chance."""
LEAST_AGREEMENT = 0.3
"""Share of the matches that must agree."""
_RATIO = 0.8
"""Lowe's ratio test: a match must be so much better than the second best (IJCV 2004)."""
_PIXELS = 3.0
"""Reprojection error up to which a point agrees."""


def first_from_second(first: Frame, depth: FloatArray, second: Frame) -> FloatArray | None:
    """(4, 4) pose of the second camera in the first camera's optical frame; None if it cannot be told.

    SIFT features of the first image are lifted to 3D with its depth, and the second camera is placed where they appear
    in its image (PnP with RANSAC, refined on the inliers). Its scale is the depth's.

    Args:
        depth: (H, W) metres, of the first frame.
    """
    if depth.shape != first.image.shape[:2]:
        raise ValueError(f"depth must be {first.image.shape[:2]} as the first image is. Got {depth.shape}")
    sift = cv2.SIFT.create(nfeatures=1500)
    (points_1, descriptors_1), (points_2, descriptors_2) = (
        sift.detectAndCompute(cv2.cvtColor(f.image, cv2.COLOR_RGB2GRAY), None) for f in (first, second)
    )
    if descriptors_1 is None or descriptors_2 is None or len(descriptors_2) < 2:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(descriptors_1, descriptors_2, k=2)
    good = [p[0] for p in pairs if len(p) == 2 and p[0].distance < _RATIO * p[1].distance]
    uv_1 = np.array([points_1[m.queryIdx].pt for m in good]).reshape(-1, 2)
    uv_2 = np.array([points_2[m.trainIdx].pt for m in good]).reshape(-1, 2)
    rows, columns = np.round(uv_1[:, 1]).astype(int), np.round(uv_1[:, 0]).astype(int)
    z = depth[rows.clip(0, depth.shape[0] - 1), columns.clip(0, depth.shape[1] - 1)]
    usable = np.isfinite(z) & (z > 0)
    if usable.sum() < FEWEST_INLIERS:
        return None
    uv_1, uv_2, z = uv_1[usable], uv_2[usable], z[usable].astype(np.float64)
    k = first.intrinsics
    seen = np.stack([(uv_1[:, 0] - k.cx) / k.fx * z, (uv_1[:, 1] - k.cy) / k.fy * z, z], -1)
    cv2.setRNGSeed(0)  # the same images give the same motion
    camera = second.intrinsics.matrix
    found, rotation, translation, inliers = cv2.solvePnPRansac(
        seen, uv_2, camera, None, iterationsCount=500, reprojectionError=_PIXELS, flags=cv2.SOLVEPNP_AP3P
    )
    if not found or inliers is None or len(inliers) < max(FEWEST_INLIERS, LEAST_AGREEMENT * len(seen)):
        return None
    chosen = inliers[:, 0]
    rotation, translation = cv2.solvePnPRefineLM(seen[chosen], uv_2[chosen], camera, None, rotation, translation)
    second_from_first = np.eye(4)
    second_from_first[:3, :3] = cv2.Rodrigues(rotation)[0]
    second_from_first[:3, 3] = translation[:, 0]
    if (transform_points(second_from_first, seen[chosen])[:, 2] <= 0).any():
        return None  # what the second camera sees cannot lie behind it
    return invert_pose(second_from_first)
