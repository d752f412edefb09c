"""Instance ids of a scanned mesh by pixel of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import invert_pose, transform_points
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.worlds.rendering.pixel_rays import cast_rays

NEAREST = 0.01
"""Metres in front of the camera; what is nearer is not seen."""
TOLERANCE, TOLERANCE_SHARE = 0.1, 0.04
"""Metres, and a share of the distance: how far the measured depth of a pixel may be from the mesh that it shows. Covers
the sensor's noise, the drift of the poses and the simplification of the mesh."""


def render_instances(
    vertices: FloatArray, faces: NDArray[np.int64], face_ids: NDArray[np.uint16], camera: Intrinsics, pose: FloatArray
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """The nearest triangle through every pixel centre, whichever way it faces.

    Args:
        vertices: (V, 3) metres in the world.
        faces: (F, 3) indices of vertices.
        face_ids: (F,) what to write where a triangle is seen.
        pose: (4, 4) rigid, world from camera (optical frame).

    Returns:
        ids: (H, W), ``UNKNOWN_ID`` where there is no mesh.
        depth: (H, W) metres along the optical axis, 0 where there is no mesh.
    """
    hits = cast_rays(transform_points(invert_pose(pose), vertices), faces, camera, near=NEAREST)
    ids = np.append(face_ids, np.uint16(UNKNOWN_ID))[hits.triangle]  # the last one where there is no triangle
    return ids.astype(np.uint16), hits.depth.astype(np.float32)


def hide_what_is_not_there(
    ids: NDArray[np.uint16], mesh_depth: NDArray[np.float32], measured: NDArray[np.float32]
) -> NDArray[np.uint16]:
    """The ids (H, W), unknown in those pixels where the measured depth is not the mesh's: something else was there.

    Where nothing was measured (0) the mesh decides.
    """
    tolerance = TOLERANCE + TOLERANCE_SHARE * mesh_depth
    agrees = (measured <= 0) | (np.abs(measured - mesh_depth) <= tolerance)
    return np.where(agrees, ids, UNKNOWN_ID).astype(np.uint16)
