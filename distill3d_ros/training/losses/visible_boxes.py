"""Losses of 3D boxes of which only a visible surface is known: its rectangle in the picture, its near and far depth.

Amodal sizes are not taught: a box may reach farther than what is visible of its object wherever something hides the
rest, and a little farther everywhere, since a box encloses its object and its corners stand out. Letters as in
``primitives``; K matched pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distill3d_ros.student.outputs import Boxes
from distill3d_ros.training.inputs.targets import PerceptionBatch

NEAREST_CORNER = 0.1
"""Metres: corners nearer than this, or behind the camera, are projected as if they were there."""
CORNERS_STAND_OUT = (0.15, 0.1)
"""Share of the width and height of its object's rectangle by which the projection of a box may reach beyond each side.
In rendered rooms, where both are known, the true boxes reach .07 (median; a quarter of them over .2) and .04."""
NEAR_CORNER = (0.12, 0.5)
"""Logarithm by which the nearest corner may be nearer than the nearest surface: where all of an object is in sight, and
where a part is hidden. In rendered rooms it is .04 (median; .12 at the 10th percentile), and up to .48."""
CENTER_BEYOND = 0.25
"""Share of a box's extent along the optical axis by which its centre may be farther than the farthest surface."""
RELATIVE = 0.5
"""Weight of the error of the sides relative to the extent of the rectangle, beside that in radians."""
_LEAST_EXTENT = 0.02
"""Radians."""
_LARGEST_ERROR = 2.0
"""Radians: the error of a side beyond this counts as this."""
_OUTWARD = (-1.0, -1.0, 1.0, 1.0)
"""Sign of the direction that leads out of a rectangle at its left, top, right and bottom."""


def visible_box_losses(
    boxes: Boxes, level: Tensor, batch: PerceptionBatch, image: Tensor, prediction: Tensor, truth: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Mean error of K matched boxes in the picture, and along the optical axis; None without targets.

    In the picture: L1 between the sides of the projected box and of the object's rectangle, in radians and relative to
    its extent; beyond a side at which the object does not end there is no error. Along the axis, in logarithms: the
    nearest corner must be as far as the nearest surface, the farthest corner at least as far as the farthest one, and
    the centre between. The box's yaw learns nothing from it, nor does its size from the nearest corner.

    Args:
        level: (B, 3, 3) level from optical, by which the boxes' yaw is measured.
        image, prediction, truth: (K,) the image, the prediction in it and the visible object that belong together.
    """
    if len(image) == 0:
        return None, None
    offsets = _corner_offsets(boxes, level, image, prediction)  # (K, 8, 3)
    center = boxes.center[image, prediction].float()  # (K, 3)
    projected = _rectangles(center[:, None] + offsets, batch.intrinsics[image, 0])
    error = _side_errors(projected, batch, image, truth).sum(-1)
    near, far = batch.near[image, truth], batch.far[image, truth]
    known = near > 0
    if not known.any():
        return error.mean(), None
    whole = batch.free[image, truth].all(-1)
    log_near, log_far = (_log(torch.where(known, x, torch.ones_like(x))) for x in (near, far))
    corner = _log(center[:, 2] + offsets[..., 2].amin(-1).detach())
    tolerance = torch.where(whole, NEAR_CORNER[0], NEAR_CORNER[1])
    off = (corner - log_near).relu() + (log_near - corner - tolerance).relu()
    off = off + (log_far - _log(center[:, 2] + offsets[..., 2].amax(-1))).relu()
    extent = (offsets[..., 2].amax(-1) - offsets[..., 2].amin(-1)).detach()
    middle = _log(center[:, 2])
    off = off + (log_near - middle).relu() + (middle - _log(log_far.exp() + CENTER_BEYOND * extent)).relu()
    return error.mean(), off[known].mean()


@torch.no_grad()
def rectangle_fit(
    boxes: Boxes, level: Tensor, batch: PerceptionBatch, image: Tensor, prediction: Tensor, truth: Tensor
) -> Tensor:
    """(K,) in 0..1: square root of the overlap of the projected boxes with the visible objects' rectangles.

    Where an object does not end at a side of its rectangle, the projection is taken to end there if it reaches beyond.
    """
    corners = boxes.center[image, prediction].float()[:, None] + _corner_offsets(boxes, level, image, prediction)
    projected = _rectangles(corners, batch.intrinsics[image, 0])
    true, free = batch.rectangle[image, truth], batch.free[image, truth]
    low = torch.where(free[:, :2], projected[:, :2], torch.maximum(projected[:, :2], true[:, :2]))
    high = torch.where(free[:, 2:], projected[:, 2:], torch.minimum(projected[:, 2:], true[:, 2:]))
    overlap = (torch.minimum(high, true[:, 2:]) - torch.maximum(low, true[:, :2])).clamp_min(0).prod(-1)
    union = (high - low).clamp_min(0).prod(-1) + (true[:, 2:] - true[:, :2]).prod(-1) - overlap
    return (overlap / union.clamp_min(1e-6)).clamp(0, 1).sqrt()


def _corner_offsets(boxes: Boxes, level: Tensor, image: Tensor, prediction: Tensor) -> Tensor:
    """(K, 8, 3) metres: the corners from the centre, optical frame."""
    half = boxes.size[image, prediction].float() / 2
    sin, cos = boxes.yaw_vector[image, prediction].detach().float().unbind(-1)
    zero = torch.zeros_like(sin)
    x = torch.stack([cos, zero, -sin], -1) * half[:, :1]  # own axes in the level frame, see scene.objects.Box3D
    y = torch.stack([zero, torch.ones_like(sin), zero], -1) * half[:, 1:2]
    z = torch.stack([sin, zero, cos], -1) * half[:, 2:]
    signs = half.new_tensor([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])  # (8, 3)
    in_level = (signs[:, :, None] * torch.stack([x, y, z], 1)[:, None]).sum(2)  # (K, 8, 3)
    # Not a matrix product: autocast would round metres to bfloat16's 8 bits.
    return (level.detach().float()[image][:, None] * in_level[..., None]).sum(-2)


def _rectangles(corners: Tensor, intrinsics: Tensor) -> Tensor:
    """(K, 4) left, top, right, bottom of the projections of (K, 8, 3) corners; ``intrinsics`` (K, 4)."""
    z = corners[..., 2:].clamp_min(NEAREST_CORNER)
    uv = corners[..., :2] / z * intrinsics[:, None, :2] + intrinsics[:, None, 2:]
    return torch.cat([uv.amin(1), uv.amax(1)], -1)


def _side_errors(projected: Tensor, batch: PerceptionBatch, image: Tensor, truth: Tensor) -> Tensor:
    """(K, 4) of each side: radians, and a share of the error relative to the rectangle's extent."""
    true, free = batch.rectangle[image, truth], batch.free[image, truth]
    focal = batch.intrinsics[image, 0, :2].repeat(1, 2)  # (K, 4)
    extent = ((true[:, 2:] - true[:, :2]).repeat(1, 2) / focal).clamp_min(_LEAST_EXTENT)
    beyond = (projected - true) / focal * projected.new_tensor(_OUTWARD)  # positive: the box reaches farther
    allowed = projected.new_tensor(CORNERS_STAND_OUT * 2) * extent
    too_far = torch.where(free, (beyond - allowed).relu(), torch.zeros_like(beyond))
    error = ((-beyond).relu() + too_far).clamp_max(_LARGEST_ERROR)
    return error * (1 + RELATIVE / extent.clamp_min(error.detach()))


def _log(z: Tensor) -> Tensor:
    """The logarithm, and below ``NEAREST_CORNER`` its tangent there: what is behind the camera has a gradient."""
    beyond = z.clamp_min(NEAREST_CORNER)
    return beyond.log() + (z - beyond) / NEAREST_CORNER
