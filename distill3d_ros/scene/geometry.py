"""Points, cameras and upright boxes: projection, frames, gaps, overlaps. Metres and radians; numpy only.

Letters in shape comments: N, M boxes; H, W image; ... any leading axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.objects import Box3D

BOX_EDGES: tuple[tuple[int, int], ...] = (
    (0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7),
)  # fmt: skip
"""Pairs of indices into ``Box3D.corners()``: the twelve edges."""


def level_rotation(up: FloatArray) -> FloatArray:
    """(3, 3) rotation from the optical to the level frame; its rows are the level axes in optical coordinates.

    ``up``: (3,) direction against gravity in the optical frame, of any length. A camera that looks straight up or
    down has no horizontal viewing direction; the image's vertical axis then stands in for it.
    """
    up = np.asarray(up, np.float64)
    norm = float(np.linalg.norm(up)) if up.shape == (3,) else 0.0
    if not math.isfinite(norm) or norm < 1e-9:
        raise ValueError(f"up must be a (3,) finite direction that is not zero. Got {up}")
    down = -up / norm
    forward = np.array([0.0, 0.0, 1.0])
    forward = forward - down * (forward @ down)
    if np.linalg.norm(forward) < 1e-6:
        # Pointing straight down, forward is the top of the image (-y); straight up, its bottom (+y).
        image_up = np.array([0.0, -1.0, 0.0]) * np.sign(down[2])
        forward = image_up - down * (image_up @ down)
    forward = forward / np.linalg.norm(forward)
    return np.stack([np.cross(down, forward), down, forward])


def project(points: FloatArray, intrinsics: Intrinsics) -> tuple[FloatArray, FloatArray]:
    """Optical points (..., 3) -> pixels (..., 2) and depths (...); NaN pixels for points that are not in front."""
    points = np.asarray(points)
    depth = points[..., 2]
    safe = np.where(depth > 1e-9, depth, np.nan)
    u = points[..., 0] / safe * intrinsics.fx + intrinsics.cx
    v = points[..., 1] / safe * intrinsics.fy + intrinsics.cy
    return np.stack([u, v], axis=-1), depth


def unproject(depth: FloatArray, intrinsics: Intrinsics) -> FloatArray:
    """Depth image (H, W) -> optical points (H, W, 3) through the pixel centres."""
    if depth.shape != (intrinsics.height, intrinsics.width):
        raise ValueError(
            f"depth must be (H, W) = ({intrinsics.height}, {intrinsics.width}) as in its intrinsics. Got {depth.shape}"
        )
    return intrinsics.rays() * np.asarray(depth)[..., None]


def transform_points(matrix: FloatArray, points: FloatArray) -> FloatArray:
    """Applies a (3, 3) rotation or a (4, 4) pose to points (..., 3)."""
    matrix = np.asarray(matrix)
    if matrix.shape == (3, 3):
        return np.asarray(points) @ matrix.T
    if matrix.shape == (4, 4):
        return np.asarray(points) @ matrix[:3, :3].T + matrix[:3, 3]
    raise ValueError(f"matrix must be a (3, 3) rotation or a (4, 4) pose. Got shape {matrix.shape}")


def invert_pose(pose: FloatArray) -> FloatArray:
    """Inverse of a rigid (4, 4) pose."""
    inverse = np.eye(4)
    inverse[:3, :3] = pose[:3, :3].T
    inverse[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return inverse


def turned_pose(pose: FloatArray | None, rotation: FloatArray) -> FloatArray | None:
    """The (4, 4) pose of a frame whose axes are turned by ``rotation`` (3, 3) in its own; None of None."""
    if pose is None:
        return None
    turned = np.array(pose, float)
    turned[:3, :3] = turned[:3, :3] @ rotation
    return turned


def level_from_world(world_from_camera: FloatArray) -> FloatArray:
    """(4, 4) transform from a z-up world to the level frame of a camera with this (4, 4) optical pose."""
    up = np.asarray(world_from_camera)[:3, :3].T @ np.array([0.0, 0.0, 1.0])
    level_from_optical = np.eye(4)
    level_from_optical[:3, :3] = level_rotation(up)
    return level_from_optical @ invert_pose(world_from_camera)


def yaw_of(front: FloatArray) -> float:
    """Yaw of a box in the level frame whose own +z axis points along ``front`` (3,)."""
    return math.atan2(float(front[0]), float(front[2]))


def transform_box(box: Box3D, level_from_level: FloatArray) -> Box3D:
    """The same box in another level frame; ``level_from_level`` (4, 4) must keep the vertical."""
    if abs(level_from_level[1, 1] - 1.0) > 1e-3:
        raise ValueError(f"transform_box needs a transform that keeps the vertical. Got {level_from_level.tolist()}")
    front = transform_points(level_from_level[:3, :3], box.rotation[:, 2])
    return Box3D(center=transform_points(level_from_level, box.center), size=box.size, yaw=yaw_of(front))


def box_nearest_point(box: Box3D, point: FloatArray) -> FloatArray:
    """(3,) the point of the solid box that is nearest to ``point`` (3,)."""
    own = (np.asarray(point, float) - box.center) @ box.rotation
    return box.center + box.rotation @ np.clip(own, -box.size / 2, box.size / 2)


def box_distance(box: Box3D) -> float:
    """Metres from the camera (the origin) to the nearest point of the box; 0 from inside."""
    return float(np.linalg.norm(box_nearest_point(box, np.zeros(3))))


def box_gaps(boxes: Sequence[Box3D]) -> FloatArray:
    """(N, N) smallest distances between upright boxes, 0 where they overlap; exact."""
    horizontal, vertical = box_gap_parts(boxes)
    return np.hypot(horizontal, vertical)


def box_gap_parts(boxes: Sequence[Box3D]) -> tuple[FloatArray, FloatArray]:
    """Distances between the footprints (N, N) and between the vertical extents (N, N), each 0 where they overlap."""
    if not boxes:
        return np.zeros((0, 0)), np.zeros((0, 0))
    center = np.stack([b.center for b in boxes])[:, [0, 2]]  # (N, 2)
    half = np.stack([b.size for b in boxes])[:, [0, 2]] / 2  # (N, 2)
    yaw = np.array([b.yaw for b in boxes])
    c, s = np.cos(yaw), np.sin(yaw)
    axes = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], 1)  # (N, own axis, 2)
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    corners = center[:, None] + np.einsum("kc,ncd->nkd", signs, half[:, :, None] * axes)  # (N, 4, 2)
    # Corners of box i in the own frame of box j: (i, j, corner, axis).
    own = np.einsum("ijkd,jcd->ijkc", corners[:, None] - center[None, :, None], axes)
    outside = np.maximum(np.abs(own) - half[None, :, None], 0.0)
    to_corner = np.sqrt((outside**2).sum(-1)).min(-1)  # nearest corner of i to the rectangle j
    to_corner = np.minimum(to_corner, to_corner.T)
    # Separating axes: two rectangles overlap unless an axis of one of them parts them.
    parted = ((own.min(2) > half[None]) | (own.max(2) < -half[None])).any(-1)
    horizontal = np.where(parted | parted.T, to_corner, 0.0)
    top = np.array([b.top for b in boxes])
    bottom = np.array([b.bottom for b in boxes])
    vertical = np.maximum(0.0, np.maximum(top[:, None] - bottom[None], top[None] - bottom[:, None]))
    return horizontal, vertical


def clip_polygon(subject: FloatArray, window: FloatArray) -> FloatArray:
    """Sutherland-Hodgman: the part of a convex polygon (N, 2) inside another (M, 2); (0, 2) if there is none."""
    if _signed_area(window) < 0:
        window = window[::-1]
    points = [tuple(p) for p in np.asarray(subject, float)]
    for (ax, ay), (bx, by) in zip(window.tolist(), np.roll(window, -1, axis=0).tolist(), strict=True):
        sides = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in points]
        kept = []
        for i, (p, side) in enumerate(zip(points, sides, strict=True)):
            before, side_before = points[i - 1], sides[i - 1]
            if (side >= 0) != (side_before >= 0):
                t = side_before / (side_before - side)
                kept.append((before[0] + t * (p[0] - before[0]), before[1] + t * (p[1] - before[1])))
            if side >= 0:
                kept.append(p)
        points = kept
    return np.array(points, float).reshape(-1, 2)


def polygon_area(polygon: FloatArray) -> float:
    """Area of a simple polygon (N, 2)."""
    return abs(_signed_area(polygon))


def _signed_area(polygon: FloatArray) -> float:
    if len(polygon) < 3:
        return 0.0
    x, y = polygon[:, 0], polygon[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(np.roll(x, -1), y)) / 2


def footprint_overlap(a: Box3D, b: Box3D) -> float:
    """Square metres that the footprints of two boxes share."""
    reach = (math.hypot(a.size[0], a.size[2]) + math.hypot(b.size[0], b.size[2])) / 2
    if math.hypot(a.center[0] - b.center[0], a.center[2] - b.center[2]) >= reach:
        return 0.0
    return polygon_area(clip_polygon(a.footprint(), b.footprint()))


def box_iou(a: Box3D, b: Box3D) -> float:
    """Intersection over union of the volumes of two upright boxes, 0..1."""
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    if height <= 0:
        return 0.0
    shared = footprint_overlap(a, b) * height
    return min(1.0, shared / (a.volume + b.volume - shared))


def image_rectangle(
    box: Box3D, level_from_optical: FloatArray, intrinsics: Intrinsics, *, near: float = 0.05
) -> tuple[float, float, float, float] | None:
    """(left, top, right, bottom) pixels of the box's projection inside the image; None if none of it is there.

    Edges that cross the plane ``near`` metres in front of the camera are cut there.
    """
    corners = box.corners() @ level_from_optical  # level -> optical: the transpose, for row vectors
    points = [corners[corners[:, 2] >= near]]
    for i, j in BOX_EDGES:
        zi, zj = corners[i, 2], corners[j, 2]
        if (zi < near) != (zj < near):
            points.append((corners[i] + (near - zi) / (zj - zi) * (corners[j] - corners[i]))[None])
    inside = np.concatenate(points)
    if not len(inside):
        return None
    uv, _ = project(inside, intrinsics)
    left, top = np.maximum(uv.min(0), -0.5)
    right, bottom = np.minimum(uv.max(0), (intrinsics.width - 0.5, intrinsics.height - 0.5))
    return None if left >= right or top >= bottom else (float(left), float(top), float(right), float(bottom))
