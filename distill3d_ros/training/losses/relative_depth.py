"""Loss of metric depth against relative depth: of the shape alone, whatever the scale and the shift of the inverse."""

from __future__ import annotations

import torch
from torch import Tensor

TRIMMED = 0.2
"""Share of each picture's largest errors that is left out: where the teacher is wrong."""
FEWEST = 16
"""Pixels with relative depth that a picture needs."""


def relative_depth(predicted: Tensor, relative: Tensor, *, scales: int = 4) -> Tensor | None:
    """Scale-and-shift-invariant L1 of the inverse depths, trimmed, with the gradients of the error at several scales.

    Ranftl et al., Towards Robust Monocular Depth Estimation, 2020, eq. 5, 7, 8 and 11. Each inverse depth d of a
    picture becomes (d - median) / mean |d - median|; the loss is half the mean absolute difference plus half the mean
    absolute gradient of the difference. Every picture counts the same.

    Args:
        predicted: (B, H, W) metres, positive.
        relative: (B, H, W) depth whose inverse is that of the true depth but for scale and shift; 0 where unknown.
    """
    known = (relative > 0) & torch.isfinite(relative)  # (B, H, W)
    usable = known.flatten(1).sum(1) >= FEWEST
    if not bool(usable.any()):
        return None
    known = known[usable]
    ours = torch.where(known, predicted[usable].float().clamp_min(1e-3), 1.0).reciprocal()
    theirs = torch.where(known, relative[usable].float(), 1.0).reciprocal()
    error = _normalised(ours, known) - _normalised(theirs, known)  # (B, H, W), 0 where unknown
    size, known_flat = error.abs().flatten(1), known.flatten(1)
    with torch.no_grad():
        most = torch.nanquantile(size.masked_fill(~known_flat, torch.nan), 1 - TRIMMED, dim=1, keepdim=True)
        counts = known_flat & (size <= most)
    loss = 0.5 * torch.where(counts, size, 0.0).sum(1) / counts.sum(1).clamp_min(1)
    for k in range(scales):
        loss = loss + 0.5 * _gradient(error[:, :: 2**k, :: 2**k], known[:, :: 2**k, :: 2**k]) / scales
    return loss.mean()


def _normalised(inverse: Tensor, known: Tensor) -> Tensor:
    """(B, H, W) with the median of what is known taken away, over the mean distance to it; 0 where unknown."""
    median = inverse.masked_fill(~known, torch.nan).flatten(1).nanmedian(1).values[:, None, None]
    centred = torch.where(known, inverse - median, 0.0)
    spread = centred.abs().sum((1, 2), keepdim=True) / known.sum((1, 2), keepdim=True)
    return centred / spread.clamp_min(1e-6)


def _gradient(error: Tensor, known: Tensor) -> Tensor:
    """(B,) mean absolute difference of neighbours, across and down, where both are known."""
    parts = []
    for difference, both in (
        (error[:, :, 1:] - error[:, :, :-1], known[:, :, 1:] & known[:, :, :-1]),
        (error[:, 1:] - error[:, :-1], known[:, 1:] & known[:, :-1]),
    ):
        parts.append(torch.where(both, difference.abs(), 0.0).sum((1, 2)) / both.sum((1, 2)).clamp_min(1))
    return torch.stack(parts).sum(0)
