"""Losses between student and teacher, or between two views, each a function with its formula's source.

Every one is a dimensionless mean, and 0 where student and teacher agree; without targets in a batch it is None and the
task is absent. Teachers get no gradient. Shape letters as in ``primitives``; K top tokens of a
teacher, M answer tokens, R pairs of boxes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from distill3d_ros.questions.thresholds import THRESHOLDS
from distill3d_ros.training.losses.primitives import mean_by_row

LEAST_REST = 1e-12
"""Probability that a teacher gives at least to all tokens that are not among its top ones; its logarithm must exist."""
SUREST_DEPTH = 0.02
"""A teacher that expects a smaller relative error of its depth is taken to expect this one."""
CLEAR_LOGIT = 3.0
"""Log-odds of a relation that just clearly holds (probability .95); see ``questions.thresholds``."""


def top_k_kl(
    student_logits: Tensor, top_tokens: Tensor, top_log_probs: Tensor, row: Tensor, *, temperature: float
) -> Tensor | None:
    """``T^2 KL(teacher || student)`` of the next token (Hinton et al., 2015, section 2.1), every question the same.

    A teacher's cache holds its K likeliest tokens; all others are one more outcome, the rest. Of both models these
    K + 1 probabilities are raised to 1 / T and normalised; without a rest and with T = 1 it is the plain divergence.

    Args:
        student_logits: (M, vocabulary).
        top_tokens: (M, K) the teacher's likeliest tokens, in the same vocabulary.
        top_log_probs: (M, K) natural logarithms of their probabilities among all tokens.
        row: (M,) number of the question that each belongs to.
    """
    if len(row) == 0:
        return None
    logits = student_logits.float()
    named = logits.gather(-1, top_tokens)  # (M, K)
    rest = logits.scatter(-1, top_tokens, -torch.inf).logsumexp(-1, keepdim=True)
    teacher = top_log_probs.detach().float()
    # What the top ones leave is mostly rounding where they are nearly all; no other token is likelier than the last.
    most = (logits.shape[-1] - top_tokens.shape[-1]) * teacher.exp().amin(-1, keepdim=True)
    left = torch.minimum(1 - teacher.exp().sum(-1, keepdim=True), most).clamp_min(LEAST_REST)
    log_student = functional.log_softmax(torch.cat([named, rest], -1) / temperature, dim=-1)  # (M, K + 1)
    log_teacher = functional.log_softmax(torch.cat([teacher, left.log()], -1) / temperature, dim=-1)
    kl = (log_teacher.exp() * (log_teacher - log_student)).sum(-1)
    return temperature**2 * mean_by_row(kl, row)


def laplace_kl(log_depth: Tensor, log_error: Tensor, depth: Tensor, teacher_log_error: Tensor) -> Tensor | None:
    """KL(teacher || student) of the Laplace distributions of log depth that both predict, in nats; images count alike.

    ``log(b / b*) + (b* exp(-|e| / b*) + |e|) / b - 1`` with e the difference of the locations (Gil, Alajaji and Linder,
    Information Sciences 2013, table 2, in the limit of order 1); the paper's third depth loss.

    Args:
        log_depth, log_error: (B, H, W) the student's location and the logarithm of its scale b.
        depth: (B, H, W) the teacher's, metres; 0 where unknown.
        teacher_log_error: (B, H, W) logarithm of its scale b*, of which ``SUREST_DEPTH`` is the least; -inf is fine.
    """
    valid = depth > 0
    if not valid.any():
        return None
    location = torch.where(valid, depth, torch.ones_like(depth)).detach().float().log()
    log_b = teacher_log_error.detach().float().clamp_min(math.log(SUREST_DEPTH))
    error, log_student = (log_depth.float() - location).abs(), log_error.float()
    kl = log_student - log_b + (log_b.exp() * (-error / log_b.exp()).exp() + error) * (-log_student).exp() - 1
    return _image_mean(kl, valid)


def bernoulli_kl(logits: Tensor, probability: Tensor) -> Tensor:
    """KL(teacher || student) of yes-no outcomes, elementwise, nats: cross-entropy less the teacher's entropy."""
    p = probability.detach().float()
    entropy = -(torch.special.xlogy(p, p) + torch.special.xlogy(1 - p, 1 - p))
    return functional.binary_cross_entropy_with_logits(logits.float(), p, reduction="none") - entropy


def relation_logits(center: Tensor) -> Tensor:
    """(R, R, 3) log-odds that box i is left of, above and nearer than box j; ``center`` (R, 3), level frame, metres.

    Differences of bearing, height and distance over what makes each clear in ``questions.thresholds``, so that a fact
    that is just clear enough to be asked about has probability .95. The paper's left/right and above/below, and one
    more.
    """
    x, y, z = center.float().unbind(-1)
    bearing, distance = torch.atan2(x, z), center.float().norm(dim=-1).clamp_min(1e-3)
    turn = _differences(bearing)
    turn = torch.atan2(turn.sin(), turn.cos())  # the shorter way round
    mean = (distance[:, None] + distance[None]) / 2
    margin = (THRESHOLDS.nearer_distance_share * mean).clamp_min(THRESHOLDS.nearer_distance)
    scores = (
        turn / THRESHOLDS.side_bearing,
        _differences(y) / THRESHOLDS.above_center[1],
        _differences(distance) / margin,
    )
    return CLEAR_LOGIT * torch.stack(scores, -1)


def spatial_agreement(center: Tensor, teacher_center: Tensor) -> Tensor | None:
    """KL between both models' relations of each pair of an image's R boxes, the mean over its relations: (pairs,).

    Soft yes-no outcomes, see ``relation_logits``; None with fewer than two boxes. Centres (R, 3), level frame, metres.
    """
    count = len(center)
    if count < 2:
        return None
    i, j = torch.triu_indices(count, count, 1, device=center.device)
    teacher = relation_logits(teacher_center)[i, j].sigmoid()
    return bernoulli_kl(relation_logits(center)[i, j], teacher).mean(-1)


def feature_alignment(student: Tensor, teacher: Tensor) -> Tensor | None:
    """Mean squared distance of unit vectors (..., D): 2 - 2 cos (FitNets, Romero et al., 2015, on directions)."""
    if student.numel() == 0:
        return None
    a, b = functional.normalize(student.float(), dim=-1), functional.normalize(teacher.float().detach(), dim=-1)
    return (a - b).square().sum(-1).mean()


def multi_view(points_a: Tensor, points_b: Tensor, valid: Tensor, distance: Tensor) -> Tensor | None:
    """Mean squared distance of one surface's points (..., 3) as two views place them in one frame.

    The paper's L2 between views, over the square of the true ``distance`` (...), so that far walls do not decide.
    """
    if not valid.any():
        return None
    apart = (points_a.float() - points_b.float()).square().sum(-1)
    return (apart[valid] / distance[valid].float().square()).mean()


def _differences(x: Tensor) -> Tensor:
    """(R,) -> (R, R): that of j less that of i."""
    return x[None] - x[:, None]


def _image_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid pixels of each image (B, H, W), then over the images that have any."""
    count = valid.sum(dim=(1, 2))
    total = torch.where(valid, values, torch.zeros_like(values)).sum(dim=(1, 2))
    return (total / count.clamp_min(1))[count > 0].mean()
