"""Losses that compare the student with a teacher, or one view with another.

They are the rest of the paper's eight. A batch without a teacher's answers or with one view leaves them out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def distribution_kl(student_logits: Tensor, teacher_logits: Tensor, *, temperature: float = 1.0) -> Tensor:
    """``T^2 KL(teacher || student)`` over the last dimension, mean over the rest (Hinton et al., 2015).

    For answer tokens, depth bins (the paper's third depth loss) and the two sides of a relation.
    """
    log_student = functional.log_softmax(student_logits.float() / temperature, dim=-1)
    log_teacher = functional.log_softmax(teacher_logits.float() / temperature, dim=-1)
    kl = (log_teacher.exp() * (log_teacher - log_student)).sum(-1)
    return temperature**2 * kl.mean()


def feature_alignment(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared distance of unit vectors (..., D): 2 - 2 cos (FitNets, Romero et al., 2015, on directions)."""
    a, b = functional.normalize(student.float(), dim=-1), functional.normalize(teacher.float().detach(), dim=-1)
    return (a - b).square().sum(-1).mean()


def multi_view(points_a: Tensor, points_b: Tensor, valid: Tensor) -> Tensor | None:
    """Mean squared distance in metres of one surface's points (..., 3) as two views place them in one frame."""
    if not valid.any():
        return None
    return (points_a.float() - points_b.float()).square().sum(-1)[valid].mean()


def spatial_agreement(relation_logits: Tensor, truth: Tensor, mask: Tensor) -> Tensor | None:
    """Binary cross-entropy of relation scores (..., R), e.g. left/right and above/below, where ``mask`` holds."""
    if not mask.any():
        return None
    return functional.binary_cross_entropy_with_logits(relation_logits.float()[mask], truth.to(torch.float32)[mask])
