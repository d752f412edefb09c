"""Visible surfaces of marked objects: rectangle in the picture, which of its sides end the object, near and far depth.

Letters: N objects, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import SceneObject
from distill3d_ros.training.data.sample import UNKNOWN_ID

NEAR_PERCENTILE, FAR_PERCENTILE = 10, 90
"""Of the depth inside a mask: its ends are mixed pixels, and what shows through the mask's holes."""
LEAST_DEPTH_PIXELS = 8
"""Pixels with known depth that an object's nearest and farthest depth take."""
CORE = 0.5
"""Share of the sides of a rectangle, around its centre, in which its object is taken to be where there is no mask."""
_EDGE = 1.0
"""Pixels: a rectangle that ends nearer to the picture's edge is cut off by it."""
_OUTSIDE = 2
"""Pixels beyond a mask's boundary at which the neighbour is looked at: nearer ones may be mixed."""
_BAND = 0.1
"""Share of a rectangle's extent within which the mask's boundary belongs to a side of the rectangle."""
_HIDDEN_SHARE = 0.25
"""Share of a side's boundary beside something nearer from which on the object may go on behind it."""
_THING_NEARER, _ROOM_NEARER = (0.04, 0.03), (0.05, 0.08)
"""(metres, share of the distance) by which another thing, or a floor or wall, must be nearer to hide an object. A floor
comes nearer from pixel to pixel without hiding what stands on it."""


@dataclass(kw_only=True, slots=True)
class VisibleSurfaces:
    """What an image shows of N objects."""

    rectangle: NDArray[np.float32]
    """(N, 4) left, top, right, bottom edges in pixels; the outer edges of the outermost pixels."""
    free: NDArray[np.bool_]
    """(N, 4) whether the object ends at that side; otherwise the picture's edge or something nearer cuts it off."""
    near: NDArray[np.float32]
    """(N,) metres, 0 where unknown."""
    far: NDArray[np.float32]
    """(N,) metres, 0 where unknown."""


def visible_surfaces(
    ids: NDArray[np.uint16], depth: FloatArray, objects: Sequence[SceneObject], annotation: Annotation
) -> VisibleSurfaces:
    """Measures what is visible of each object.

    Args:
        ids: (H, W) object id a pixel; without masks only the rectangles of the objects are used.
        depth: (H, W) metres, 0 where unknown.
    """
    n = len(objects)
    index = np.full(UNKNOWN_ID + 1, -1, np.int16)
    shown = ids if annotation.masks else rectangles_as_ids(ids.shape, objects)
    index[[o.id for o in objects]] = np.arange(n)
    number = index[shown]  # (H, W)
    found = ndimage.find_objects(number.astype(np.int32) + 1, max_label=n)
    result = VisibleSurfaces(
        rectangle=np.zeros((n, 4), np.float32),
        free=np.zeros((n, 4), bool),
        near=np.zeros(n, np.float32),
        far=np.zeros(n, np.float32),
    )
    inner = _interior(number)
    for i, where in enumerate(found):
        if where is not None:
            rows, columns = where
            result.rectangle[i] = (columns.start - 0.5, rows.start - 0.5, columns.stop - 0.5, rows.stop - 0.5)
            result.near[i], result.far[i] = _depth_range(depth[where], number[where] == i, inner[where])
    if annotation.masks:
        result.free[:] = ~_hidden_sides(number, shown, depth, result.rectangle)
    else:
        for i, o in enumerate(objects):
            if o.image_box is not None:
                result.rectangle[i] = o.image_box
        result.free[:] = ~_inside_another(result.rectangle)
    height, width = ids.shape
    result.free &= np.abs(result.rectangle - np.array([-0.5, -0.5, width - 0.5, height - 0.5])) > _EDGE
    return result


def rectangles_as_ids(
    shape: tuple[int, ...], objects: Sequence[SceneObject], *, cores: bool = True
) -> NDArray[np.uint16]:
    """An id image from rectangles alone: an object in the middle of each, and unknown pixels in the rest of it.

    Smaller rectangles lie over larger ones. ``cores`` false leaves all of a rectangle unknown.
    """
    ids = np.zeros(shape, np.uint16)
    with_box = [(o.id, np.asarray(o.image_box)) for o in objects if o.image_box is not None]
    with_box.sort(key=lambda pair: -float(np.prod(pair[1][2:] - pair[1][:2])))
    for _, box in with_box:
        ids[_pixels(box, shape)] = UNKNOWN_ID
    if cores:
        for object_id, box in with_box:
            middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * CORE
            ids[_pixels(np.concatenate([middle - half, middle + half]), shape)] = object_id
    return ids


def _pixels(box: FloatArray, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The pixels of a rectangle; at least one."""
    low = np.clip(np.ceil(box[:2]).astype(int), 0, (shape[1] - 1, shape[0] - 1))
    high = np.maximum(np.floor(box[2:]).astype(int) + 1, low + 1)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _interior(number: NDArray[np.int16]) -> NDArray[np.bool_]:
    """(H, W) pixels whose four neighbours show the same: depth at a mask's edge is that of two surfaces."""
    inner = np.ones(number.shape, bool)
    down, across = number[1:] == number[:-1], number[:, 1:] == number[:, :-1]
    inner[1:] &= down
    inner[:-1] &= down
    inner[:, 1:] &= across
    inner[:, :-1] &= across
    return inner


def _depth_range(depth: FloatArray, mask: NDArray[np.bool_], inner: NDArray[np.bool_]) -> tuple[float, float]:
    known = mask & (depth > 0)
    inside = depth[known & inner]
    values = inside if len(inside) >= LEAST_DEPTH_PIXELS else depth[known]
    if len(values) < LEAST_DEPTH_PIXELS:
        return 0.0, 0.0
    at = [(len(values) - 1) * share // 100 for share in (NEAR_PERCENTILE, FAR_PERCENTILE)]
    ordered = np.partition(values, at)
    return float(ordered[at[0]]), float(ordered[at[1]])


def _hidden_sides(
    number: NDArray[np.int16], ids: NDArray[np.uint16], depth: FloatArray, rectangle: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """(N, 4) sides along which something nearer, or nothing known, lies beside the mask."""
    height, width = number.shape
    hidden = np.zeros((len(rectangle), 4), bool)
    extent = rectangle[:, 2:] - rectangle[:, :2]  # (N, 2)
    begins = (
        rectangle[:, 0] + 0.5,
        rectangle[:, 1] + 0.5,
        width - 0.5 - rectangle[:, 2],
        height - 0.5 - rectangle[:, 3],
    )
    for side, begin in enumerate(begins):
        band = np.maximum(2.0, _BAND * extent[:, side % 2])
        hidden[:, side] = _hidden_at_left(
            _side_first(number, side), _side_first(ids, side), _side_first(depth, side), begin, band
        )
    return hidden


def _side_first(image: NDArray[Any], side: int) -> NDArray[Any]:
    """A view of the image in which that side (left, top, right, bottom) is on the left."""
    turned = image.T if side % 2 else image
    return turned[:, ::-1] if side >= 2 else turned


def _hidden_at_left(
    number: NDArray[np.int16],
    ids: NDArray[np.uint16],
    depth: FloatArray,
    begin: NDArray[np.float32],
    band: NDArray[np.float32],
) -> NDArray[np.bool_]:
    v, u = np.nonzero((number[:, 1:] != number[:, :-1]) & (number[:, 1:] >= 0))
    u = u + 1  # the mask's pixels whose left neighbour is not in it
    own = number[v, u]
    at_side = u - begin[own] <= band[own]
    v, u, own = v[at_side], u[at_side], own[at_side]
    outside = np.maximum(u - _OUTSIDE, 0)
    inside = np.minimum(u + 1, number.shape[1] - 1)
    inside = np.where(number[v, inside] == own, inside, u)
    there, mine, shown = depth[v, outside], depth[v, inside], ids[v, outside]
    room = shown == 0
    margin = np.where(room, _ROOM_NEARER[0], _THING_NEARER[0])
    margin = margin + np.where(room, _ROOM_NEARER[1], _THING_NEARER[1]) * mine
    is_hidden = np.where((there > 0) & (mine > 0), there < mine - margin, ~room)
    total = np.bincount(own, minlength=len(begin))
    return np.bincount(own[is_hidden], minlength=len(begin)) > _HIDDEN_SHARE * np.maximum(total, 1)


def _inside_another(rectangle: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N, 4) sides of rectangles whose middle lies in another rectangle, which may hide what is beyond."""
    left, top, right, bottom = rectangle.T
    x, y = (left + right) / 2, (top + bottom) / 2
    u, v = np.stack([left, x, right, x], 1), np.stack([y, top, y, bottom], 1)  # (N, 4)
    inside = (u[..., None] > left) & (u[..., None] < right) & (v[..., None] > top) & (v[..., None] < bottom)
    inside &= ~np.eye(len(rectangle), dtype=bool)[:, None]
    return inside.any(-1)
