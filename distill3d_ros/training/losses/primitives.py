"""Losses against the truth, each a function of tensors with its formula's source.

Shape letters: B images, H and W pixels, P patch tokens, N detections, M true objects, C classes, Q questions, L text
tokens. Every loss is a mean over its targets, so that scales compare between batches; without targets in a batch a
function returns None and the task is absent. Those that need a teacher are in ``teacher_primitives``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

DEPTH_RANGE = (0.1, 12.0)
"""Metres: pixels with a true depth outside of it teach nothing."""
_BEYOND = 30.0
"""How far the outermost depth bins reach, in log metres: to all that a float can say."""


def depth_valid(depth: Tensor) -> Tensor:
    """(B, H, W) bool: pixels whose true depth is known and in range."""
    return torch.isfinite(depth) & (depth > DEPTH_RANGE[0]) & (depth < DEPTH_RANGE[1])


def depth_regression(
    predicted: Tensor,
    true: Tensor,
    log_error: Tensor | None = None,
    *,
    likelihood: float = 0.2,
    invariance: float = 0.15,
) -> Tensor | None:
    """L1 of the log depth, with its likelihood under the predicted confidence and its scale-invariant part.

    With e = log d - log d*: ``mean |e| + likelihood * mean(|e| exp(-b) + b) + invariance * std(e)``. The second term is
    the negative log likelihood of a Laplace distribution of scale exp(b) (Kendall and Gal, NeurIPS 2017), the
    confidence weighting of DUSt3R and VGGT in another parametrisation; the third the scale-invariant error of Eigen
    et al. (2014), which rewards shape where the overall scale is off. Every image counts the same.

    Args:
        predicted: (B, H, W) metres, positive.
        true: (B, H, W) metres; 0 or NaN where unknown.
        log_error: (B, H, W) predicted b, the log of the expected |e|; None leaves the likelihood out.
    """
    valid = depth_valid(true)
    if not valid.any():
        return None
    error = _log(predicted) - _log(torch.where(valid, true, torch.ones_like(true)))
    error = torch.where(valid, error, torch.zeros_like(error))  # (B, H, W)
    count = valid.sum(dim=(1, 2)).clamp_min(1)  # (B,)
    loss = error.abs().sum(dim=(1, 2)) / count
    if log_error is not None and likelihood > 0:
        b = log_error.float()
        nll = torch.where(valid, error.abs() * torch.exp(-b) + b, torch.zeros_like(error))
        loss = loss + likelihood * nll.sum(dim=(1, 2)) / count
    if invariance > 0:
        mean = error.sum(dim=(1, 2)) / count
        variance = (error.square().sum(dim=(1, 2)) / count - mean.square()).clamp_min(1e-6)
        loss = loss + invariance * variance.sqrt()
    return loss[valid.flatten(1).any(1)].mean()


def depth_gradient(predicted: Tensor, true: Tensor, *, scales: int = 3) -> Tensor | None:
    """L1 between the gradients of the log depths at several scales (Li and Snavely, MegaDepth, 2018, eq. 4).

    (B, H, W) metres both. It keeps edges sharp and planes smooth. Scale k looks at every 2^k-th pixel.
    """
    valid = depth_valid(true)
    error = _log(predicted) - _log(torch.where(valid, true, torch.ones_like(true)))
    total, parts = None, 0
    for k in range(scales):
        step = 2**k
        e, m = error[:, ::step, ::step], valid[:, ::step, ::step]
        for difference, both in (
            ((e[:, :, 1:] - e[:, :, :-1]).abs(), m[:, :, 1:] & m[:, :, :-1]),
            ((e[:, 1:] - e[:, :-1]).abs(), m[:, 1:] & m[:, :-1]),
        ):
            if both.any():
                part = torch.where(both, difference, torch.zeros_like(difference)).sum() / both.sum()
                total = part if total is None else total + part
                parts += 1
    return None if total is None else total / parts


def depth_bins(log_depth: Tensor, log_error: Tensor, true: Tensor, *, bins: int = 64) -> Tensor | None:
    """Cross-entropy of the true depth's bin under the predicted Laplace distribution of log depth; images count alike.

    The paper's second depth loss, with bins of equal width in log depth (space-increasing discretisation, Fu et al.,
    DORN, 2018, eq. 1) over ``DEPTH_RANGE``. A bin's probability is the difference of the distribution's cumulative
    function at its borders; the outermost bins take in all that lies beyond. Divided by log(bins): an even guess is 1.

    Args:
        log_depth: (B, H, W) location of the distribution, log metres.
        log_error: (B, H, W) logarithm of its scale.
        true: (B, H, W) metres; 0 or NaN where unknown.
    """
    valid = depth_valid(true)
    if not valid.any():
        return None
    low, high = (math.log(x) for x in DEPTH_RANGE)
    width = (high - low) / bins
    number = ((_log(torch.where(valid, true, torch.ones_like(true))) - low) / width).floor().clamp(0, bins - 1)
    lower = torch.where(number == 0, low - _BEYOND, low + width * number)
    upper = torch.where(number == bins - 1, high + _BEYOND, low + width * (number + 1))
    inverse, location = torch.exp(-log_error.float()), log_depth.float()
    below, above = (lower - location) * inverse, (upper - location) * inverse  # borders in units of the scale
    # On one side of the location: exp(-near) (1 - exp(-width)) / 2, whose logarithm does not underflow far away.
    near, apart = torch.maximum(below, -above).clamp_min(0), above - below
    outside = -near + torch.log(-torch.expm1(-apart)) - math.log(2.0)
    across = (below < 0) & (above > 0)
    inside = -0.5 * (torch.expm1(below.clamp_max(0)) + torch.expm1(-above.clamp_min(0)))
    log_p = torch.where(across, torch.log(torch.where(across, inside, torch.ones_like(inside))), outside)
    count = valid.sum(dim=(1, 2))
    loss = torch.where(valid, -log_p, torch.zeros_like(log_p)).sum(dim=(1, 2)) / count.clamp_min(1)
    return loss[count > 0].mean() / math.log(bins)


def sigmoid_focal(logits: Tensor, target: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss of independent classes, elementwise, not reduced (Lin et al., ICCV 2017, eq. 5).

    ``target`` in 0..1 of the shape of ``logits``; a soft target measures its distance to the prediction in place of
    ``1 - p_t`` (quality focal loss, Li et al., NeurIPS 2020, eq. 3, with the balance of the original).
    """
    logits = logits.float()
    p = logits.sigmoid()
    ce = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    balance = alpha * target + (1 - alpha) * (1 - target)
    return balance * (p - target).abs().pow(gamma) * ce


def yaw_loss(predicted: Tensor, true: Tensor, has_front: Tensor) -> Tensor:
    """1 - cos of the angle between; twice the angle where front and back look the same. Elementwise, 0..2."""
    difference = predicted.float() - true
    return 1 - torch.cos(torch.where(has_front, difference, 2 * difference))


def direction_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean 1 - cos between directions (..., 3); for the direction of gravity."""
    return (1 - functional.cosine_similarity(predicted.float(), true, dim=-1)).mean()


def field_of_view_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean L1 of log(focal length / image size), (..., 2)."""
    return (_log(predicted) - _log(true)).abs().mean()


def answer_text(logits: Tensor, targets: Tensor, row: Tensor) -> Tensor | None:
    """Cross-entropy of the answers' tokens; every question counts the same, however long its answer.

    Args:
        logits: (T, vocabulary) at the positions before a token of an answer.
        targets: (T,) those tokens.
        row: (T,) number of the question that each belongs to.
    """
    if len(targets) == 0:
        return None
    return mean_by_row(functional.cross_entropy(logits.float(), targets, reduction="none"), row)


def mean_by_row(values: Tensor, row: Tensor) -> Tensor:
    """Mean over the rows of the mean of each row's ``values`` (T,); ``row`` (T,) says which each belongs to."""
    rows = int(row.max()) + 1
    total = values.new_zeros(rows).index_add(0, row, values)
    count = values.new_zeros(rows).index_add(0, row, torch.ones_like(values))
    return (total / count.clamp_min(1))[count > 0].mean()


def weighted_cross_entropy(logits: Tensor, targets: Tensor, weight: Tensor) -> Tensor | None:
    """``sum(w ce) / sum(w)`` for logits (T, K), targets (T,) and weights (T,); None where all weights are 0."""
    used = weight > 0
    if not used.any():
        return None
    weight = weight[used].float()
    return (
        weight * functional.cross_entropy(logits[used].float(), targets[used], reduction="none")
    ).sum() / weight.sum()


def pointing(logits: Tensor, targets: Tensor, weight: Tensor) -> Tensor | None:
    """Minus the log of the probability that a word points at any of the objects that it may mean.

    The sum inside the logarithm leaves it to the model which of
    several detections of one thing it points at.

    Args:
        logits: (T, N + 1): every object token, then "none"; -inf at padding.
        targets: (T, N + 1) bool: the objects that may be meant.
        weight: (T,) 0 where the pointer is not supervised.
    """
    used = (weight > 0) & targets.any(-1)
    if not used.any():
        return None
    log_p = functional.log_softmax(logits[used].float(), dim=-1)
    loss = -torch.logsumexp(log_p.masked_fill(~targets[used], -torch.inf), dim=-1)
    weight = weight[used].float()
    return (weight * loss.clamp_max(20.0)).sum() / weight.sum()


def _log(x: Tensor) -> Tensor:
    return torch.log(x.float().clamp_min(1e-3))
