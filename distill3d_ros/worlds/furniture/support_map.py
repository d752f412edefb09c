"""Support surfaces of a model: where things can stand on it, and the exact height.

All of it is in the model's own axes before its scale, so that it is computed once a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distill3d_ros.worlds.furniture.furniture_model import FurnitureModel

FloatArray = npt.NDArray[np.float64]
CELLS = 40


@dataclass(slots=True, eq=False)
class SupportMap:
    """The upper surface of a model as a height map."""

    heights: FloatArray
    """(CELLS, CELLS) highest point over each cell's centre, [x, y]; -inf where there is nothing."""
    triangles: FloatArray
    """(T, 3, 3) the triangles that are not vertical."""
    bounds: FloatArray
    """(T, 4) x and y range of each: low x, high x, low y, high y."""


def support_map(model: FurnitureModel) -> SupportMap:
    """Rasterise the model from above."""
    corners = model.vertices[model.faces].astype(float)  # (F, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    corners = corners[np.abs(normals[:, 2]) > 0.05 * np.maximum(lengths, 1e-12)]
    bounds = np.stack(
        [corners[..., 0].min(1), corners[..., 0].max(1), corners[..., 1].min(1), corners[..., 1].max(1)], 1
    )
    surface = SupportMap(heights=np.full((CELLS, CELLS), -np.inf), triangles=corners, bounds=bounds)
    step = model.size[:2] / CELLS
    axes = [(np.arange(CELLS) + 0.5) * step[k] - model.size[k] / 2 for k in range(2)]
    first = np.ceil((bounds[:, [0, 2]] + model.size[:2] / 2) / step - 0.5).astype(int).clip(0, CELLS)
    last = np.floor((bounds[:, [1, 3]] + model.size[:2] / 2) / step - 0.5).astype(int).clip(-1, CELLS - 1)
    for k in np.nonzero((first <= last).all(axis=1))[0]:
        xs, ys = slice(first[k, 0], last[k, 0] + 1), slice(first[k, 1], last[k, 1] + 1)
        z = _plane_heights(corners[k], axes[0][xs, None], axes[1][None, ys])
        np.maximum(surface.heights[xs, ys], z, out=surface.heights[xs, ys])
    return surface


def _plane_heights(triangle: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Height of the triangle over (x, y); -inf beside it. Broadcasts."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = triangle
    det = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    s = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / det
    t = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / det
    inside = (s >= -1e-6) & (t >= -1e-6) & (s + t <= 1 + 1e-6)
    return np.where(inside, az + s * (bz - az) + t * (cz - az), -np.inf)


def heights_under(surface: SupportMap, points: FloatArray) -> FloatArray:
    """(P,) exact height of the highest surface under each of the (P, 2) points; -inf where there is none."""
    low, high = points.min(axis=0), points.max(axis=0)
    b = surface.bounds
    near = (b[:, 0] <= high[0]) & (b[:, 1] >= low[0]) & (b[:, 2] <= high[1]) & (b[:, 3] >= low[1])
    t = surface.triangles[near]
    if len(t) == 0:
        return np.full(len(points), -np.inf)
    a, e1, e2 = t[:, 0], t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    det = e1[:, 0] * e2[:, 1] - e2[:, 0] * e1[:, 1]
    d = points[:, None] - a[None, :, :2]  # (P, T, 2)
    u = (d[..., 0] * e2[:, 1] - e2[:, 0] * d[..., 1]) / det
    v = (e1[:, 0] * d[..., 1] - d[..., 0] * e1[:, 1]) / det
    inside = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6)
    z = np.where(inside, a[:, 2] + u * e1[:, 2] + v * e2[:, 2], -np.inf)
    return z.max(axis=1)


def highest_within(surface: SupportMap, linear: FloatArray, shift: FloatArray, half: FloatArray) -> float:
    """Exact height of the highest point inside a rectangle -half..half; a point p lies at ``p @ linear + shift`` there.

    The highest point of a triangle cut by a rectangle is one of its corners, or where an edge of one meets the
    other: so it is enough to clip the edges (``heights_under`` covers the rectangle's own corners).
    """
    points = surface.triangles[..., :2] @ linear + shift  # (T, 3, 2)
    near = ((points.min(axis=1) <= half) & (points.max(axis=1) >= -half)).all(axis=1)
    points, z = points[near], surface.triangles[near, :, 2]
    ends, ends_z = np.roll(points, -1, axis=1), np.roll(z, -1, axis=1)
    way = np.where(np.abs(ends - points) < 1e-12, 1e-12, ends - points)
    a, b = (-half - points) / way, (half - points) / way
    enter = np.maximum(np.minimum(a, b).max(axis=-1), 0.0)  # (T, 3), share of the edge
    leave = np.minimum(np.maximum(a, b).min(axis=-1), 1.0)
    inside = enter <= leave
    along = np.where(ends_z > z, leave, enter)
    return float(np.where(inside, z + along * (ends_z - z), -np.inf).max(initial=-np.inf))


def flat_cells(
    surface: SupportMap, size: FloatArray, half: FloatArray, tolerance: float = 0.004
) -> npt.NDArray[np.int64]:
    """(N, 2) cells around which a rectangle of half extents ``half`` is level (own axes before the scale)."""
    from scipy.ndimage import maximum_filter, minimum_filter

    step = size[:2] / CELLS
    window = [2 * int(np.ceil(h / s)) + 1 for h, s in zip(half, step, strict=True)]
    if window[0] > CELLS or window[1] > CELLS:
        return np.empty((0, 2), np.int64)
    heights = np.where(np.isfinite(surface.heights), surface.heights, -1e3)
    top = maximum_filter(heights, window, mode="constant", cval=1e3)
    bottom = minimum_filter(heights, window, mode="constant", cval=-1e3)
    return np.argwhere((top - bottom < tolerance) & (heights > 0.05))
