"""Which instance of a scanned mesh each pixel of a picture shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import invert_pose, transform_points

NEAREST = 0.01
"""Metres in front of the camera; triangles that come nearer are searched for in the whole picture."""
PIXELS_AT_ONCE = 1 << 18
TOLERANCE, TOLERANCE_SHARE = 0.1, 0.04
"""Metres, and a share of the distance: how far the measured depth of a pixel may be from the mesh that it shows. Covers
the sensor's noise, the drift of the poses and the simplification of the mesh."""


def render_instances(
    vertices: FloatArray, faces: NDArray[np.int64], face_ids: NDArray[np.uint16], camera: Intrinsics, pose: FloatArray
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """The nearest triangle through every pixel centre, whichever way it faces.

    A ray r through a pixel meets the triangle (v0, v1, v2) where r = sum b_i v_i with all b_i >= 0; the depth of that
    point is 1 / sum b_i, which is linear in the pixel's place. No triangle has to be cut (Olano and Greer, "Triangle
    scan conversion using 2D homogeneous coordinates", 1997).

    Args:
        vertices: (V, 3) metres in the world.
        faces: (F, 3) indices of vertices.
        face_ids: (F,) what to write where a triangle is seen.
        pose: (4, 4) rigid, world from camera (optical frame).

    Returns:
        ids: (H, W), 0 where there is no mesh.
        depth: (H, W) metres along the optical axis, 0 where there is no mesh.
    """
    points = transform_points(invert_pose(pose), vertices)
    seen = _in_view(points, faces, camera)
    corners, ids = points[faces[seen]], face_ids[seen]  # (T, 3, 3), (T,)
    planes = np.stack([np.cross(corners[:, i - 2], corners[:, i - 1]) for i in range(3)], axis=1)  # (T, b, xyz)
    volume = np.einsum("tk,tk->t", corners[:, 0], planes[:, 0])
    usable = np.abs(volume) > 1e-12  # else seen edge-on, or no triangle
    corners, ids, planes = corners[usable], ids[usable], planes[usable] / volume[usable, None, None]
    boxes = _pixel_boxes(corners, camera)
    nearest = np.zeros(camera.height * camera.width)  # 1 / depth
    shown = np.zeros(camera.height * camera.width, np.uint16)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    ends = np.cumsum(area)
    start = 0
    while start < len(ids):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + PIXELS_AT_ONCE, side="right")))
        part = slice(start, stop)
        pixel, triangle, inverse = _covered(boxes[part], area[part], planes[part], camera)
        np.maximum.at(nearest, pixel, inverse)
        front = inverse == nearest[pixel]
        shown[pixel[front]] = ids[part][triangle[front]]
        start = stop
    depth = np.divide(1.0, nearest, out=np.zeros_like(nearest), where=nearest > 0)
    shape = (camera.height, camera.width)
    return shown.reshape(shape), depth.reshape(shape).astype(np.float32)


def hide_what_is_not_there(
    ids: NDArray[np.uint16], mesh_depth: NDArray[np.float32], measured: NDArray[np.float32]
) -> NDArray[np.uint16]:
    """The ids (H, W) without those pixels where the measured depth is not the mesh's: something else was there.

    Where nothing was measured (0) the mesh decides.
    """
    tolerance = TOLERANCE + TOLERANCE_SHARE * mesh_depth
    agrees = (measured <= 0) | (np.abs(measured - mesh_depth) <= tolerance)
    return np.where(agrees, ids, 0).astype(np.uint16)


def _in_view(points: FloatArray, faces: NDArray[np.int64], camera: Intrinsics) -> NDArray[np.bool_]:
    """(F,) which triangles are not wholly beyond one side of the view or behind the camera."""
    x, y, z = points.T
    left, right = (-0.5 - camera.cx) / camera.fx, (camera.width - 0.5 - camera.cx) / camera.fx
    top, bottom = (-0.5 - camera.cy) / camera.fy, (camera.height - 0.5 - camera.cy) / camera.fy
    outside = np.stack([x < left * z, x > right * z, y < top * z, y > bottom * z, z <= 0], axis=-1)  # (V, 5)
    beyond = np.all(outside[faces], axis=1)  # (F, 5)
    return np.asarray(~np.any(beyond, axis=1))


def _pixel_boxes(corners: FloatArray, camera: Intrinsics) -> NDArray[np.int64]:
    """(T, 4) left, top, right, bottom of the pixels in question; right and bottom exclusive."""
    whole = np.array([0, 0, camera.width, camera.height])
    ahead = corners[..., 2].min(axis=1) > NEAREST
    z = np.where(ahead[:, None], corners[..., 2], 1.0)
    u = corners[..., 0] / z * camera.fx + camera.cx
    v = corners[..., 1] / z * camera.fy + camera.cy
    low = np.ceil(np.stack([u.min(1), v.min(1)], axis=-1) - 1e-6)
    high = np.floor(np.stack([u.max(1), v.max(1)], axis=-1) + 1e-6) + 1
    size = whole[2:]
    boxes = np.concatenate([np.clip(low, 0, size), np.clip(high, 0, size)], axis=1).astype(np.int64)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
    return np.where(ahead[:, None], boxes, whole)


def _covered(
    boxes: NDArray[np.int64], area: NDArray[np.int64], planes: FloatArray, camera: Intrinsics
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """The pixels (flat index) that triangles cover, which triangle that is, and 1 / depth there."""
    triangle = np.repeat(np.arange(len(boxes)), area)
    offset = np.arange(len(triangle)) - np.repeat(np.cumsum(area) - area, area)
    width = np.maximum(boxes[:, 2] - boxes[:, 0], 1)[triangle]
    u, v = boxes[triangle, 0] + offset % width, boxes[triangle, 1] + offset // width
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(len(u))], axis=-1)
    weights = np.einsum("pbk,pk->pb", planes[triangle], rays)  # (P, 3)
    inverse = weights.sum(axis=1)
    inside = (weights >= -1e-9).all(axis=1) & (inverse > 0)
    return (v * camera.width + u)[inside], triangle[inside], inverse[inside]
