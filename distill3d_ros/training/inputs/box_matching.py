"""Assignment of predictions to true objects: patch cells by what they show, sets of boxes by Hungarian matching."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

NOBODY, IGNORED = -1, -2
REACH = 0.2
"""A box may be off by this share of its distance, beside half its diagonal, and still be matched to an object."""


def assign_cells(
    ids: NDArray[np.uint16],
    object_ids: list[int],
    ignored_ids: list[int],
    *,
    grid: tuple[int, int],
    per_object: int = 3,
) -> NDArray[np.int64]:
    """One-to-few: each object gets the ``per_object`` patch cells that show most of it near its visible centre.

    Args:
        ids: (H, W) object id a pixel.
        object_ids: the true objects; positions in this list are what the result holds.
        ignored_ids: objects that show too little to be targets.
        grid: rows and columns of patch cells.

    Returns:
        (rows * columns,) index of the object, ``NOBODY`` (-1), or ``IGNORED`` (-2): the cell mostly shows an object
        that is no target, or it mostly shows one that chose a cell beside it, and could as well have been chosen. The
        rest of a large object is ``NOBODY``: where nothing says no, one bed becomes six.
    """
    rows, columns = grid
    height, width = ids.shape
    r = (np.arange(height) * rows) // height
    c = (np.arange(width) * columns) // width
    cell = r[:, None] * columns + c[None, :]  # (H, W)
    cell_pixels = height * width / (rows * columns)
    result = np.full(rows * columns, NOBODY, np.int64)
    best = np.zeros(rows * columns)
    wanted: list[tuple[int, NDArray[np.int64], NDArray[np.float64]]] = []
    for index, object_id in enumerate(object_ids):
        v, u = np.nonzero(ids == object_id)
        if len(v) == 0:
            continue
        cover = np.bincount(cell[v, u], minlength=rows * columns) / cell_pixels  # (P,)
        cells = np.nonzero(cover)[0]
        row, column = (v.mean() + 0.5) * rows / height - 0.5, (u.mean() + 0.5) * columns / width - 0.5
        distance = np.hypot(cells // columns - row, cells % columns - column)
        radius = 1.0 + 0.5 * np.sqrt(cover.sum())
        score = cover[cells] * np.exp(-((distance / radius) ** 2))
        order = np.argsort(-score)[:per_object]
        # At least a third as good as the best cell, or it is no place to see this object from.
        order = order[score[order] >= score[order[0]] / 3]
        apart = np.abs(cells[:, None] // columns - cells[order] // columns)  # (cells, chosen)
        apart = np.maximum(apart, np.abs(cells[:, None] % columns - cells[order] % columns)).min(1)
        result[cells[(cover[cells] > 0.5) & (apart <= 1)]] = IGNORED
        wanted.append((index, cells[order], score[order] / score[order[0]]))
    for object_id in ignored_ids:
        cover = np.bincount(cell[ids == object_id], minlength=rows * columns) / cell_pixels
        result[cover > 0.25] = IGNORED
    for index, cells, score in wanted:  # a cell that two objects want goes to the one that needs it more
        need = score / len(cells)
        take = need > best[cells]
        result[cells[take]] = index
        best[cells[take]] = need[take]
    return result


@torch.no_grad()
def match_sets(
    class_logits: Tensor,
    centers: Tensor,
    labels: Tensor,
    true_centers: Tensor,
    true_sizes: Tensor,
    mask: Tensor,
    *,
    ranged: Tensor | None = None,
    class_weight: float = 1.0,
    center_weight: float = 3.0,
) -> list[tuple[Tensor, Tensor]]:
    """Hungarian matching of predicted to true objects (Carion et al., DETR, 2020), image by image.

    The cost is the focal class cost of Deformable DETR plus the distance of the centres relative to the true
    distance from the camera, so that a decimetre counts more in front of the camera than across the room. Pairs that
    remain farther apart than half the object's diagonal plus a fifth of its distance are dropped: that object was not
    found, and whoever was left to stand for it saw something else.

    Args:
        class_logits: (B, N, C).
        centers: (B, N, 3) metres.
        labels: (B, M) class numbers.
        true_centers: (B, M, 3) metres.
        true_sizes: (B, M, 3) metres.
        mask: (B, M) which of the M entries hold an object.
        ranged: (B, M) bool; where it is false only the direction of the object is known, and its distance is taken to
            be the prediction's. None: all are known.

    Returns:
        For each image the indices of the predictions and of the true objects, in pairs.
    """
    p = class_logits.float().sigmoid()  # (B, N, C)
    positive = 0.25 * (1 - p).square() * -(p + 1e-8).log()
    negative = 0.75 * p.square() * -(1 - p + 1e-8).log()
    class_cost = positive - negative  # (B, N, C)
    result = []
    for b in range(len(class_logits)):
        true = torch.nonzero(mask[b]).squeeze(1)  # (m,)
        if len(true) == 0:
            empty = torch.zeros(0, dtype=torch.long, device=mask.device)
            result.append((empty, empty))
            continue
        t = true_centers[b, true].float()
        far, apart = t.norm(dim=-1), torch.cdist(centers[b].float(), t)  # (m,), (N, m)
        if ranged is not None and not ranged[b, true].all():
            apart = torch.where(ranged[b, true], apart, _off_the_rays(centers[b].float(), t))
        cost = class_weight * class_cost[b][:, labels[b, true]] + center_weight * apart / far.clamp_min(0.5)
        pairs = linear_sum_assignment(torch.nan_to_num(cost, nan=1e6, posinf=1e6).cpu().numpy())
        rows, columns = (torch.as_tensor(x, device=mask.device) for x in pairs)
        reach = true_sizes[b, true].norm(dim=-1) / 2 + REACH * far
        found = apart[rows, columns] < reach[columns]
        result.append((rows[found], true[columns[found]]))
    return result


def _off_the_rays(centers: Tensor, points: Tensor) -> Tensor:
    """(N, M) angles between centres (N, 3) and points (M, 3), radians, times the distance of the points."""
    near_zero = 1e-6
    cosine = (centers @ points.T) / (centers.norm(dim=-1)[:, None] * points.norm(dim=-1)).clamp_min(near_zero)
    return cosine.clamp(-1, 1).acos() * points.norm(dim=-1)
