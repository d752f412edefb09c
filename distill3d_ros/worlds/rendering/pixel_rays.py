"""Ray casting for one camera in numpy: the nearest triangle on the ray through each pixel centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics

PAIRS_AT_ONCE = 1 << 17
"""Pairs of a ray and a triangle that are computed together: few enough to stay in a processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Intersections of the rays of an image with a mesh."""

    triangle: NDArray[np.int64]
    """(H, W) row of ``faces``; -1 where a ray meets none."""
    depth: FloatArray
    """(H, W) metres along the optical axis; 0 where a ray meets none."""
    weights: FloatArray
    """(H, W, 3) of the triangle's corners; they sum to 1, or are 0 where a ray meets none."""


def cast_rays(
    points: FloatArray, faces: NDArray[np.integer], camera: Intrinsics, *, near: float, far: float = np.inf
) -> Hits:
    """The nearest triangle through every pixel centre, whichever way it faces; of equally near ones the last.

    A ray r through a pixel meets the triangle (v0, v1, v2) where r = sum b_i v_i with all b_i >= 0; the depth of that
    point is 1 / sum b_i, and all b_i are linear in the pixel's place. No triangle has to be cut (Olano and Greer,
    "Triangle scan conversion using 2D homogeneous coordinates", 1997).

    Args:
        points: (V, 3) metres in the camera's optical frame.
        faces: (F, 3) rows of ``points``.
        near, far: metres along the optical axis; nearer and farther surfaces are ignored.
    """
    if not 0 < near < far:
        raise ValueError(f"near must be positive and below far. Got near {near} and far {far}")
    size = camera.height * camera.width
    nearest = np.zeros(size)  # 1 / depth
    triangle = np.full(size, -1)
    weights = np.zeros((size, 3))
    rows, linear, boxes = _in_question(points, faces, camera, near)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    some = area > 0
    rows, linear, boxes, area = rows[some], linear[some], boxes[some], area[some]
    ends = np.cumsum(area)
    start = 0
    while start < len(rows):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + PAIRS_AT_ONCE, side="right")))
        part = slice(start, stop)
        pixel, own, b = _covered(boxes[part], area[part], linear[part], camera, near, far)
        inverse = b.sum(axis=1)
        np.maximum.at(nearest, pixel, inverse)
        front = inverse == nearest[pixel]
        triangle[pixel[front]] = rows[part][own[front]]
        weights[pixel[front]] = b[front] / inverse[front, None]
        start = stop
    depth = np.divide(1.0, nearest, out=np.zeros(size), where=nearest > 0)
    shape = (camera.height, camera.width)
    return Hits(triangle=triangle.reshape(shape), depth=depth.reshape(shape), weights=weights.reshape(*shape, 3))


def _in_question(
    points: FloatArray, faces: NDArray[np.integer], camera: Intrinsics, near: float
) -> tuple[NDArray[np.int64], FloatArray, NDArray[np.int64]]:
    """The potentially visible triangles: their rows in ``faces``, the planes of their b_i, and their pixel boxes.

    Returns:
        (T,) rows; (T, 3, 3) coefficients: b_i at the pixel (u, v) is c[i] . (u, v, 1); (T, 4), see ``_pixel_boxes``.
    """
    rows = np.flatnonzero(_in_view(points, faces, camera, near))
    corners = points[faces[rows]]  # (T, 3, 3)
    planes = np.stack([np.cross(corners[:, i - 2], corners[:, i - 1]) for i in range(3)], axis=1)  # (T, b, xyz)
    volume = np.einsum("tk,tk->t", corners[:, 0], planes[:, 0])
    usable = np.abs(volume) > 1e-12  # else edge-on, or degenerate
    rows, corners, planes = rows[usable], corners[usable], planes[usable] / volume[usable, None, None]
    ray_of_pixel = np.array(
        [[1 / camera.fx, 0, -camera.cx / camera.fx], [0, 1 / camera.fy, -camera.cy / camera.fy], [0, 0, 1]]
    )
    return rows, planes @ ray_of_pixel, _pixel_boxes(corners, camera, near)


def _in_view(points: FloatArray, faces: NDArray[np.integer], camera: Intrinsics, near: float) -> NDArray[np.bool_]:
    """(F,) which triangles are not wholly beyond one side of the view or nearer than ``near``."""
    x, y, z = points.T
    left, right = (-0.5 - camera.cx) / camera.fx, (camera.width - 0.5 - camera.cx) / camera.fx
    top, bottom = (-0.5 - camera.cy) / camera.fy, (camera.height - 0.5 - camera.cy) / camera.fy
    sides = (x < left * z, x > right * z, y < top * z, y > bottom * z, z < near)
    outside = np.stack(sides, axis=-1) @ (1 << np.arange(5))  # (V,) one bit a side
    beyond = np.bitwise_and.reduce(outside[faces], axis=1) if len(faces) else np.zeros(0, int)
    return np.asarray(beyond == 0)


def _pixel_boxes(corners: FloatArray, camera: Intrinsics, near: float) -> NDArray[np.int64]:
    """(T, 4) left, top, right, bottom of the pixels that show what lies beyond ``near``; right and bottom exclusive.

    The part of a triangle beyond the near plane is spanned by the corners beyond it and the points in which edges
    cross it.
    """
    ends = np.roll(corners, -1, axis=1)
    z, end_z = corners[..., 2], ends[..., 2]
    crosses = (z < near) != (end_z < near)  # (T, 3)
    share = np.divide(near - z, end_z - z, out=np.zeros_like(z), where=crosses)[..., None]
    crossings = corners + share * (ends - corners)
    spans = np.concatenate([corners, crossings], axis=1)  # (T, 6, 3)
    counts = np.concatenate([z >= near, crosses], axis=1)
    depth = np.where(counts, np.maximum(spans[..., 2], near), 1.0)
    u = spans[..., 0] / depth * camera.fx + camera.cx
    v = spans[..., 1] / depth * camera.fy + camera.cy
    low = [np.where(counts, x, np.inf).min(axis=1) for x in (u, v)]
    high = [np.where(counts, x, -np.inf).max(axis=1) for x in (u, v)]
    size = np.array([camera.width, camera.height])
    first = np.clip(np.ceil(np.stack(low, axis=-1) - 1e-6), 0, size)
    last = np.clip(np.floor(np.stack(high, axis=-1) + 1e-6) + 1, 0, size)
    return np.concatenate([first, np.maximum(first, last)], axis=1).astype(np.int64)


def _covered(
    boxes: NDArray[np.int64], area: NDArray[np.int64], linear: FloatArray, camera: Intrinsics, near: float, far: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """The pixels (flat index) that triangles cover, which triangle that is, and its (P, 3) b_i there."""
    own = np.repeat(np.arange(len(boxes)), area)
    offset = np.arange(len(own)) - np.repeat(np.cumsum(area) - area, area)
    width = (boxes[:, 2] - boxes[:, 0])[own]
    down = offset // width
    u, v = boxes[own, 0] + offset - down * width, boxes[own, 1] + down
    b = np.empty((len(own), 3))
    inside = np.ones(len(own), bool)
    for i in range(3):
        c = linear[:, i][own]
        b[:, i] = c[:, 0] * u + c[:, 1] * v + c[:, 2]
        inside &= b[:, i] >= -1e-9
    inverse = b.sum(axis=1)
    inside &= (inverse > 1 / far) & (inverse <= 1 / near)
    return (v * camera.width + u)[inside], own[inside], b[inside]
