"""Loss of the semantic segmentation: cross-entropy of sets of classes, where several may be meant.

Letters as in ``primitives``; h w the grid of the segmentation.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from distill3d_ros.student.outputs import IGNORE
from distill3d_ros.training.inputs.targets import PerceptionBatch

RAREST = 4.0
"""Largest weight of a class relative to the mean class of a batch."""
COMMONEST = 0.25
"""Smallest."""


def semantic_loss(logits: Tensor, batch: PerceptionBatch) -> Tensor | None:
    """Minus the log of the probability of the classes that a pixel may show, rare ones weighted up; None without any.

    A pixel that is marked as a chair may show an armchair where the annotation says so, and one of no category may show
    a class that was not marked: such classes are added to the target's (the union likelihood of Zhao et al., Object
    detection with a unified label space, ECCV 2020). Weights are inverse square roots of the classes' shares of the
    batch.

    Args:
        logits: (B, C + 1, h, w), the last for no category.
    """
    classes = logits.shape[1]
    known = batch.semantics != IGNORE  # (B, h, w)
    if not known.any():
        return None
    image = torch.nonzero(known)[:, 0]  # (T,)
    target = batch.semantics[known]  # (T,)
    log_p = functional.log_softmax(logits.permute(0, 2, 3, 1)[known].float(), dim=-1)  # (T, C + 1)
    loss = -torch.logsumexp(log_p.masked_fill(~possible_classes(batch)[image, target], -torch.inf), dim=-1)
    count = torch.bincount(target, minlength=classes).to(loss)
    weight = (len(target) / (count > 0).sum() / count.clamp_min(1)).sqrt().clamp(COMMONEST, RAREST)[target]
    return (weight * loss).sum() / weight.sum()


def possible_classes(batch: PerceptionBatch) -> Tensor:
    """(B, C + 1, C + 1) bool: [marked class, class that its pixels may show]; the last is no category."""
    b, classes = batch.judged.shape
    possible = torch.eye(classes + 1, dtype=torch.bool, device=batch.judged.device).repeat(b, 1, 1)
    possible[:, :classes, :classes] |= batch.finer
    possible[:, classes, :classes] |= ~batch.judged
    return possible
