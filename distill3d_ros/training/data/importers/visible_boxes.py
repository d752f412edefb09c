"""Things of which a mask and measured depth are known: boxes around what is visible of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.geometry import transform_points
from distill3d_ros.scene.objects import Box3D, SceneObject
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.data.surface_extents import LEAST_SIDE, in_main_layers, surface_extent
from distill3d_ros.worlds.rendering.render_view import MIN_VISIBLE_PIXELS, visible_parts

POINTS = 2000
"""At most so many decide a box, evenly spread."""
NEAR, NEAR_SHARE = 0.25, 0.15
"""Metres, and a share of the distance: how far the surface of a thing in a rectangle may be from its middle's."""
NOWHERE = 2.0
"""Metres to a rectangle of unknown distance."""
DIRECTIONS = np.radians(np.arange(0.0, 90.0, 3.0))


def visible_box(points: FloatArray) -> Box3D:
    """The upright box around points of a surface, outliers aside, with the least area on the ground.

    The longer side on the ground is the box's own x (width); front and back are not known.

    Args:
        points: (N, 3) metres in a frame whose y axis points down, N at least 1.
    """
    points = points[:: max(1, len(points) // POINTS)]
    c, s = np.cos(DIRECTIONS), np.sin(DIRECTIONS)
    along = points[:, :1] * c - points[:, 2:] * s  # (N, D): own x = (cos yaw, 0, -sin yaw)
    across = points[:, :1] * s + points[:, 2:] * c  # own z = (sin yaw, 0, cos yaw)
    low, high = np.stack([surface_extent(along), surface_extent(across)], axis=1)  # (along or across, D) each
    best = int(np.argmin(np.prod(np.maximum(high - low, LEAST_SIDE), axis=0)))
    yaw, (width, depth) = float(DIRECTIONS[best]), (high - low)[:, best]
    middle = ((high + low) / 2)[:, best]
    top, bottom = surface_extent(points[:, 1:2])[:, 0]
    center = np.array(
        [
            middle[0] * math.cos(yaw) + middle[1] * math.sin(yaw),
            (top + bottom) / 2,
            middle[1] * math.cos(yaw) - middle[0] * math.sin(yaw),
        ]
    )
    if width < depth:  # a turn by 90 degrees: own x becomes what was -z
        width, depth, yaw = depth, width, yaw - math.pi / 2
    return Box3D(center=center, size=np.maximum([width, bottom - top, depth], LEAST_SIDE), yaw=yaw)


def surface_points(depth: FloatArray, mask: NDArray[np.bool_], rays: FloatArray) -> FloatArray:
    """(N, 3) optical points of the pixels in a mask, without those of another thing behind or before it; may be none.

    Args:
        depth: (H, W) metres, 0 where unknown.
        rays: (H, W, 3) as ``Intrinsics.rays``.
    """
    z = depth[mask]
    known = z > 0
    z, rays = z[known], rays[mask][known]
    if not len(z):
        return np.zeros((0, 3))
    kept = in_main_layers(z)
    return (rays[kept] * z[kept, None]).astype(np.float64)


def visible_objects(
    ids: NDArray[np.uint16],
    labels: Mapping[int, str],
    depth: FloatArray,
    camera: Intrinsics,
    level_from_optical: FloatArray,
) -> tuple[tuple[SceneObject, ...], NDArray[np.uint16]]:
    """The objects of an id image with boxes around their visible surfaces, in the level frame.

    Args:
        ids: (H, W), 0 and ``UNKNOWN_ID`` are no objects.
        labels: id -> class.
        depth: (H, W) metres, 0 where unknown.

    Returns:
        The objects, and the ids without things whose depth is not known at all: nobody knows where they are.
    """
    ids, rays, objects = ids.copy(), camera.rays(), []
    for number, (pixels, image_box) in visible_parts(np.where(ids == UNKNOWN_ID, 0, ids)).items():
        if pixels < MIN_VISIBLE_PIXELS:
            continue
        left, top, right, bottom = (round(edge + 0.5) for edge in image_box)
        cut = np.s_[top:bottom, left:right]
        points = surface_points(depth[cut], ids[cut] == number, rays[cut])
        if len(points) < MIN_VISIBLE_PIXELS // 2:
            ids[cut][ids[cut] == number] = UNKNOWN_ID
            continue
        objects.append(
            SceneObject(
                id=number,
                label=labels[number],
                box=visible_box(transform_points(level_from_optical, points)),
                visible_pixels=pixels,
                image_box=(left - 0.5, top - 0.5, right - 0.5, bottom - 0.5),
            )
        )
    return tuple(objects), ids


def rectangle_box(
    rectangle: tuple[float, float, float, float], depth: FloatArray, camera: Intrinsics, level_from_optical: FloatArray
) -> Box3D:
    """A box for a thing of which only a rectangle in the picture is known.

    What is nearest to the median depth of the rectangle's central part is taken for the thing. Without depth there the
    box is the rectangle itself at ``NOWHERE`` metres: its direction is known, its distance and size are not.

    Args:
        rectangle: left, top, right, bottom in pixels.
        depth: (H, W) metres, 0 where unknown.
    """
    left, top, right, bottom = rectangle
    rows, columns = (max(0, round(top + 0.5)), round(bottom + 0.5)), (max(0, round(left + 0.5)), round(right + 0.5))
    inner = np.s_[
        (3 * rows[0] + rows[1]) // 4 : max((rows[0] + 3 * rows[1]) // 4, (3 * rows[0] + rows[1]) // 4 + 1),
        (3 * columns[0] + columns[1]) // 4 : max(
            (columns[0] + 3 * columns[1]) // 4, (3 * columns[0] + columns[1]) // 4 + 1
        ),
    ]
    central = depth[inner][depth[inner] > 0]
    if len(central) >= MIN_VISIBLE_PIXELS // 2:
        middle = float(np.median(central))
        cut = np.s_[rows[0] : rows[1], columns[0] : columns[1]]
        own = np.abs(depth[cut] - middle) < np.maximum(NEAR_SHARE * middle, NEAR)
        points = camera.rays()[cut][own] * depth[cut][own][:, None]
        return visible_box(transform_points(level_from_optical, points.astype(np.float64)))
    u, v = np.array([left, right, left, right]), np.array([top, top, bottom, bottom])
    ends: FloatArray = (
        np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(4)], axis=-1) * NOWHERE
    )
    ends = transform_points(level_from_optical, ends)
    size = np.maximum(np.ptp(ends, axis=0), LEAST_SIDE)
    return Box3D(center=(ends.max(axis=0) + ends.min(axis=0)) / 2, size=size, yaw=0.0)
