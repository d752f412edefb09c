"""Objects of a scene as a changed view shows them: pixels, rectangles and visible surfaces."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject
from distill3d_ros.training.data.surface_extents import LEAST_SIDE, in_main_layers, surface_extent

WHOLE = 0.9
"""A thing that shows this share of the pixels that it had has the visible surface that it had."""
FEWEST_POINTS, MOST_POINTS = 12, 1000
"""Pixels of known depth that a surface's box takes, and about as many as decide it."""


def shown_scene(scene: Scene, ids: NDArray[np.uint16], depth: FloatArray, moved: FloatArray) -> Scene:
    """The scene with the objects that a changed view shows; what it does not show is gone.

    Args:
        scene: with the intrinsics and the level frame of the view; its objects are still as they were before.
        ids: (H, W) of the view.
        depth: (H, W) metres of the view, 0 where unknown.
        moved: (2, 3) pixel (u, v, 1) before the change -> pixel of the view.
    """
    shown = _from_mask if scene.annotation.masks else _from_rectangle
    found = (shown(o, scene, ids, depth, moved) for o in scene.objects)
    return replace(scene, objects=tuple(o for o in found if o is not None), depth=None, depth_confidence=None)


def _from_mask(
    o: SceneObject, scene: Scene, ids: NDArray[np.uint16], depth: FloatArray, moved: FloatArray
) -> SceneObject | None:
    mask = ids == o.id
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return None
    top, bottom = int(rows[0]), int(rows[-1])
    part = mask[top : bottom + 1]
    columns = np.flatnonzero(part.any(0))
    left, right = int(columns[0]), int(columns[-1])
    pixels = int(np.count_nonzero(part))
    box = o.box
    if scene.annotation.boxes == "visible" and o.visible_pixels is not None:
        before = o.visible_pixels * abs(float(np.linalg.det(moved[:, :2])))
        if pixels < WHOLE * before:
            step = 1 + math.isqrt(pixels // MOST_POINTS)
            v, u = np.nonzero(mask[top : bottom + 1 : step, left : right + 1 : step])
            box = _surface_box(o.box, scene, top + v * step, left + u * step, depth)
    rectangle = (left - 0.5, top - 0.5, right + 0.5, bottom + 0.5)
    return replace(o, box=box, visible_pixels=pixels, image_box=rectangle)


def _surface_box(
    box: Box3D, scene: Scene, v: NDArray[np.integer[Any]], u: NDArray[np.integer[Any]], depth: FloatArray
) -> Box3D:
    """The box around pixels of a surface, turned as before; the box as before where their depth is not known."""
    z = depth[v, u].astype(np.float64)
    v, u, z = v[z > 0], u[z > 0], z[z > 0]
    if len(z) < FEWEST_POINTS:
        return box
    kept = in_main_layers(z)
    v, u, z, k = v[kept], u[kept], z[kept], scene.intrinsics
    optical = np.stack([(u - k.cx) / k.fx * z, (v - k.cy) / k.fy * z, z], -1)  # (n, 3)
    own = optical @ scene.level_from_optical.T @ box.rotation
    low, high = surface_extent(own)
    return Box3D(center=box.rotation @ ((low + high) / 2), size=np.maximum(high - low, LEAST_SIDE), yaw=box.yaw)


def _from_rectangle(
    o: SceneObject, scene: Scene, ids: NDArray[np.uint16], depth: FloatArray, moved: FloatArray
) -> SceneObject | None:
    if o.image_box is None:
        return o
    height, width = ids.shape
    low, high = np.reshape(o.image_box, (2, 2))
    middle = moved @ [*(low + high) / 2, 1.0]
    # Half sides of the ellipse in the rectangle: the bounds of its corners would grow with every turn.
    half = np.hypot(*(moved[:, :2] * (high - low) / 2).T)
    left, top = np.maximum(middle - half, -0.5)
    right, bottom = np.minimum(middle + half, [width - 0.5, height - 0.5])
    if right - left < 1 or bottom - top < 1:
        return None
    pixels = None if o.visible_pixels is None else int((right - left) * (bottom - top))
    rectangle = (float(left), float(top), float(right), float(bottom))
    return replace(o, visible_pixels=pixels, image_box=rectangle)
