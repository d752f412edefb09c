"""Mesh decimation that also works on broken meshes."""

from __future__ import annotations

from collections.abc import Iterator

import fast_simplification
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
GOOD = 0.97
"""Share of the surface that must remain for a result to be taken without trying further."""


def triangle_areas(points: FloatArray, faces: IntArray) -> FloatArray:
    """(F,)"""
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def decimate(points: FloatArray, faces: IntArray, limit: int) -> tuple[FloatArray, IntArray, float]:
    """At most ``limit`` triangles, same bounding box; third result: the share of the surface that is still there.

    Quadric decimation is best, but eats thin and scattered parts of some models. So several ways are tried until one
    keeps the surface, vertex clustering last, and the best is taken.
    """
    points, faces = _weld(points, faces)
    if len(faces) <= limit:
        return *_used(points, faces), 1.0
    best: tuple[float, FloatArray, IntArray] | None = None
    reference = _samples(points, faces, 3000)
    for penalty, (some_points, some_faces) in zip((0.0, 0.0, 0.02, 0.04), _ways(points, faces, limit), strict=True):
        if not 0 < len(some_faces) <= limit:
            continue
        kept = _kept(reference, some_points, some_faces)
        if best is None or kept - penalty > best[0]:
            best = (kept - penalty, some_points, some_faces)
        if best[0] >= GOOD:
            break
    assert best is not None  # clustering always meets the limit
    low, high = points.min(axis=0), points.max(axis=0)
    out, out_faces = _used(best[1], best[2])
    out_low, out_high = out.min(axis=0), out.max(axis=0)  # decimation shaves corners off: restore the size
    return (out - out_low) / np.maximum(out_high - out_low, 1e-9) * (high - low) + low, out_faces, best[0]


def _ways(points: FloatArray, faces: IntArray, limit: int) -> Iterator[tuple[FloatArray, IntArray]]:
    yield _quadric(points, faces, limit, 5)
    yield _quadric(points, faces, limit, 5, border=True)
    yield _quadric(points, faces, limit, 7)
    gentle = _quadric(points, faces, limit, 3)
    yield _cluster(*gentle, limit)


def _quadric(
    points: FloatArray, faces: IntArray, limit: int, aggression: float, border: bool = False
) -> tuple[FloatArray, IntArray]:
    some_points, some_faces = fast_simplification.simplify(
        points.astype(np.float32), faces.astype(np.int32), target_count=limit, agg=aggression, preserve_border=border
    )
    return some_points.astype(float), _proper(some_faces.astype(np.int64))


def _cluster(points: FloatArray, faces: IntArray, limit: int) -> tuple[FloatArray, IntArray]:
    """Join the vertices of each cell of the finest grid that leaves few enough triangles."""
    low, extent = points.min(axis=0), float(np.ptp(points, axis=0).max())
    fine, coarse = 200, 4
    found = _joined(points, faces, low, extent / coarse)
    while fine - coarse > 1:
        middle = (fine + coarse) // 2
        candidate = _joined(points, faces, low, extent / middle)
        if len(candidate[1]) <= limit:
            coarse, found = middle, candidate
        else:
            fine = middle
    return found


def _joined(points: FloatArray, faces: IntArray, low: FloatArray, cell: float) -> tuple[FloatArray, IntArray]:
    _, inverse = np.unique(np.floor((points - low) / cell).astype(np.int64), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    counts = np.bincount(inverse)
    means = np.stack([np.bincount(inverse, points[:, k]) / counts for k in range(3)], axis=1)
    some = _proper(inverse[faces])
    _, first = np.unique(np.sort(some, axis=1), axis=0, return_index=True)
    return means, some[np.sort(first)]


def _weld(points: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    """Join vertices that coincide, so that surfaces are connected."""
    used, faces = _used(points, faces)
    extent = float(np.ptp(used, axis=0).max())
    _, first, inverse = np.unique(
        np.round(used / (extent * 1e-5)).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    return used[first], _proper(inverse.reshape(-1)[faces])


def _used(points: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    kept, inverse = np.unique(faces, return_inverse=True)
    return points[kept], inverse.reshape(-1, 3)


def _proper(faces: IntArray) -> IntArray:
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]


def _samples(points: FloatArray, faces: IntArray, count: int) -> FloatArray:
    rng = np.random.default_rng(0)
    areas = triangle_areas(points, faces)
    picks = rng.choice(len(faces), count, p=areas / areas.sum())
    return (points[faces[picks]] * rng.dirichlet((1.0, 1.0, 1.0), count)[:, :, None]).sum(axis=1)


def _kept(reference: FloatArray, points: FloatArray, faces: IntArray) -> float:
    """Share of the reference points that are near the new surface."""
    reach = 0.025 * float(np.ptp(reference, axis=0).max())
    distance, _ = cKDTree(_samples(points, faces, 12000)).query(reference, distance_upper_bound=reach)
    return float(np.isfinite(distance).mean())
