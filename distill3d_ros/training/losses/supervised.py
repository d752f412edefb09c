"""Losses of the student's outputs against ground truth.

A loss that a batch has no targets for is absent from the result. Shape letters as in ``primitives``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from distill3d_ros.student.outputs import IGNORE, Boxes, LanguageOutput, Perception, QuestionBatch
from distill3d_ros.training.inputs.box_matching import IGNORED, match_sets
from distill3d_ros.training.inputs.targets import PerceptionBatch
from distill3d_ros.training.losses import primitives
from distill3d_ros.training.losses.relative_depth import relative_depth
from distill3d_ros.training.losses.semantics import semantic_loss
from distill3d_ros.training.losses.visible_boxes import rectangle_fit, visible_box_losses

PERCEPTION_LOSSES = (
    "depth",
    "depth_gradient",
    "relative_depth",
    "camera",
    "proposal_class",
    "proposal_box",
    "detection_class",
    "detection_box",
    "detection_overlap",
    "image_box",
    "surface",
    "semantics",
)
"""Of objects whose whole box is known those named after boxes; ``image_box`` and ``surface`` are of those of which only
what is visible is known; ``semantics`` of a student that has a segmentation head; ``relative_depth`` of pictures whose
depth a public network taught without a unit."""
LANGUAGE_LOSSES = ("text", "names", "grounding")
ANSWER_LOSSES = ("text_kl", "teacher_text", "feature", "spatial_feature")
"""What a teacher's answers add to them."""
TEACHER_LOSSES = (*ANSWER_LOSSES, "depth_bins", "depth_kl", "teacher_class", "teacher_box", "spatial", "multi_view")
"""What a stage of kind distill adds to them; each is absent without targets from the teacher, or without a second view.
With the others they make up the paper's eight: text, depth regression, bins and KL, detection, spatial, multi-view and
feature; ``docs/distillation.md`` says which is which."""
ORDINARY_WORD_WEIGHT = 0.1
"""Weight of the words that name nothing in the losses on names and pointers: they are most of all words."""

Losses = dict[str, Tensor]


def perception_losses(perception: Perception, batch: PerceptionBatch) -> Losses:
    """Depth, camera and detection of one frame a scene against the truth; a depth that was given teaches nothing.

    What is unknown of an image teaches nothing.
    """
    found: dict[str, Tensor | None] = {}
    if not perception.depth_measured:
        # Every second pixel teaches as much as every pixel, at a quarter of the time.
        true = batch.depth[:, ::2, ::2]
        found["depth"] = primitives.depth_regression(
            perception.depth[:, 0, ::2, ::2], true, perception.depth_log_error[:, 0, ::2, ::2]
        )
        found["depth_gradient"] = primitives.depth_gradient(perception.depth[:, 0, ::2, ::2], true)
        found["relative_depth"] = relative_depth(perception.depth[:, 0, ::2, ::2], batch.relative_depth[:, ::2, ::2])
    camera = primitives.field_of_view_loss(perception.fov[:, 0], batch.fov)
    if batch.gravity.any():
        camera = primitives.direction_loss(perception.up[batch.gravity], batch.up[batch.gravity]) + camera
    found["camera"] = camera
    found |= _detection_losses(perception, batch)
    if perception.semantics is not None:
        found["semantics"] = semantic_loss(perception.semantics[:, 0], batch)
    return {name: loss for name, loss in found.items() if loss is not None}


def _detection_losses(perception: Perception, batch: PerceptionBatch) -> dict[str, Tensor | None]:
    """Classes and boxes of the proposals and of each decoder layer."""
    focal, level = batch.intrinsics[:, 0, :2], perception.level_from_optical  # (B, 2), (B, 3, 3)
    image, patch = torch.nonzero(batch.cells >= 0, as_tuple=True)  # (K,)
    at_proposals = _Pairs(image, patch, batch.cells[image, patch])
    known = known_classes(batch)
    proposal_class = _proposal_class_loss(perception.proposals, batch, known)
    proposal_box = box_loss(perception.proposals, batch, *at_proposals.with_box(batch), focal)
    proposals_in_view = visible_box_losses(perception.proposals, level, batch, *at_proposals.without_box(batch))
    terms: dict[str, list[Tensor | None]] = {}
    for boxes in (*perception.decoder_layers, perception.detections):
        pairs = _matched(boxes, batch)
        with_box = pairs.with_box(batch)
        in_view, surface = visible_box_losses(boxes, level, batch, *pairs.without_box(batch))
        for name, loss in (
            ("detection_class", _set_class_loss(boxes, level, batch, pairs, known, perception.query_patch)),
            ("detection_box", box_loss(boxes, batch, *with_box, focal)),
            ("detection_overlap", overlap_loss(boxes, batch, *with_box)),
            ("image_box", in_view),
            ("surface", surface),
        ):
            terms.setdefault(name, []).append(loss)
    found = {name: _mean(losses) for name, losses in terms.items()}
    for name, loss in zip(("image_box", "surface"), proposals_in_view, strict=True):
        found[name] = _sum([loss, found[name]])
    return {"proposal_class": proposal_class, "proposal_box": proposal_box, **found}


def language_losses(output: LanguageOutput, batch: QuestionBatch) -> Losses:
    """The answers' words, what each name in a question stands for, and which object it points at."""
    questions = batch.token_ids.shape[1]
    found: dict[str, Tensor | None] = {
        "text": primitives.answer_text(output.logits, output.targets, output.scene * questions + output.question)
    }
    targets = batch.name_targets.flatten()  # (B Q T,)
    classes = output.name_logits.shape[-1] - 1
    weight = torch.where(targets == classes, ORDINARY_WORD_WEIGHT, 1.0) * (targets != IGNORE)
    found["names"] = primitives.weighted_cross_entropy(output.name_logits.flatten(0, 2), targets, weight)
    weight = torch.where(batch.is_name, 1.0, ORDINARY_WORD_WEIGHT) * batch.pointer_supervised
    found["grounding"] = primitives.pointing(
        output.pointer_logits.flatten(0, 2), batch.pointer_targets.flatten(0, 2), weight.flatten()
    )
    return {name: loss for name, loss in found.items() if loss is not None}


def box_loss(
    boxes: Boxes, batch: PerceptionBatch, image: Tensor, prediction: Tensor, truth: Tensor, focal: Tensor
) -> Tensor | None:
    """Mean error of K matched boxes: direction, distance, size and yaw, in units that compare.

    The direction's error is L1 in pixels over the focal length (radians: the lateral error relative to the distance),
    distance and size are L1 of logarithms (relative errors), yaw is 1 - cos. The depth head learns nothing from it.

    Args:
        image, prediction, truth: (K,) the image, the prediction in it and the true object that belong together.
        focal: (B, 2) fx, fy.
    """
    if len(image) == 0:
        return None
    at = (image, prediction)
    size = (boxes.log_size[at].float() - batch.size[image, truth].log()).abs().mean(-1)
    yaw = primitives.yaw_loss(boxes.yaw[at], batch.yaw[image, truth], batch.has_front[image, truth])
    loss = size + 0.5 * yaw  # (K,)
    located = batch.located[image, truth]
    center = batch.center[image, truth]  # (K, 3)
    z = torch.where(located, center[:, 2], torch.ones_like(center[:, 2]))
    true_uv = batch.intrinsics[image, 0, 2:] + focal[image] * center[:, :2] / z[:, None]
    lateral = ((boxes.center_uv[at].float() - true_uv) / focal[image]).abs().sum(-1)
    # The ratio to the dense depth is what the detection head decides.
    dense = boxes.depth[at].float().clamp_min(1e-3).log() - boxes.log_depth_ratio[at].float()
    distance = (boxes.log_depth_ratio[at].float() + dense.detach() - z.log()).abs()
    return (loss + torch.where(located, 2.0 * lateral + 2.0 * distance, torch.zeros_like(loss))).mean()


def overlap_loss(
    boxes: Boxes, batch: PerceptionBatch, image: Tensor, prediction: Tensor, truth: Tensor
) -> Tensor | None:
    """Mean of 1 - GIoU of K matched boxes' intervals along the three axes of the true box, 0..2.

    The generalized overlap of Rezatofighi et al. (CVPR 2019), axis by axis: errors count against the object's own
    extent in that direction, as they do in the overlap of boxes by which detections are judged, and still have a
    direction where boxes do not overlap. Objects whose centre has no usable pixel are left out.
    """
    located = batch.located[image, truth]
    image, prediction, truth = image[located], prediction[located], truth[located]
    if len(image) == 0:
        return None
    offset, a, b = _beside_truth(boxes, batch, image, prediction, truth)
    low, high = offset - a, offset + a
    overlap = (torch.minimum(high, b) - torch.maximum(low, -b)).clamp_min(0)
    union = 2 * a + 2 * b - overlap
    hull = (torch.maximum(high, b) - torch.minimum(low, -b)).clamp_min(1e-4)
    return (1 - overlap / union.clamp_min(1e-4) + (hull - union) / hull).mean()


@dataclass(frozen=True, slots=True)
class _Pairs:
    """(K,) the image, the prediction in it and the object that belong together."""

    image: Tensor
    prediction: Tensor
    truth: Tensor

    def with_box(self, batch: PerceptionBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Those of objects whose whole box is known."""
        return self._where(batch.amodal[self.image, self.truth])

    def without_box(self, batch: PerceptionBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Those of objects of which only what is visible is known."""
        return self._where(~batch.amodal[self.image, self.truth])

    def _where(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.image[chosen], self.prediction[chosen], self.truth[chosen]


def _matched(boxes: Boxes, batch: PerceptionBatch) -> _Pairs:
    pairs = match_sets(
        boxes.class_logits, boxes.center, batch.labels, batch.center, batch.size, batch.mask, ranged=batch.ranged
    )
    image = torch.cat([torch.full_like(p, b) for b, (p, _) in enumerate(pairs)])
    return _Pairs(image, torch.cat([p for p, _ in pairs]), torch.cat([t for _, t in pairs]))


def known_classes(batch: PerceptionBatch) -> Tensor:
    """(B, P, C) bool: classes that a patch certainly does not show, unless it shows what it is marked as.

    Those are the judged classes, without those that its object may be as well.
    """
    classes = batch.judged.shape[1]
    image = torch.arange(len(batch.shown), device=batch.shown.device)[:, None]
    named = (batch.shown >= 0) & (batch.shown < classes)  # (B, P)
    finer = batch.finer[image, batch.shown.clamp(0, classes - 1)] & named[..., None]
    return batch.judged[:, None] & ~finer


def _proposal_class_loss(boxes: Boxes, batch: PerceptionBatch, known_absent: Tensor) -> Tensor:
    image, patch = torch.nonzero(batch.cells >= 0, as_tuple=True)
    label = batch.labels[image, batch.cells[image, patch]]
    target = torch.zeros_like(boxes.class_logits, dtype=torch.float32)  # (B, P, C)
    target[image, patch, label] = 1.0
    judged = known_absent.float()  # (B, P, C)
    judged[image, patch] = (~batch.finer[image, label]).float()  # what is one class is none of the others
    is_object = (batch.cells >= 0).float()  # (B, P)
    known = (batch.cells != IGNORED).float()
    focal = (primitives.sigmoid_focal(boxes.class_logits, target) * judged).sum(-1)
    certain = torch.maximum(is_object, _share_judged(batch))
    focal = focal + primitives.sigmoid_focal(boxes.objectness, is_object) * certain
    return (focal * known).sum() / is_object.sum().clamp_min(1)


def _set_class_loss(
    boxes: Boxes, level: Tensor, batch: PerceptionBatch, pairs: _Pairs, known_absent: Tensor, query_patch: Tensor
) -> Tensor:
    """Focal loss of classes and objectness; the objectness of a matched box aims at how well it fits."""
    image, query = pairs.image, pairs.prediction
    label = batch.labels[image, pairs.truth]
    target = torch.zeros_like(boxes.class_logits, dtype=torch.float32)  # (B, N, C)
    target[image, query, label] = 1.0
    fit = torch.zeros_like(boxes.objectness, dtype=torch.float32)  # (B, N)
    for chosen, measured in (
        (pairs.with_box(batch), partial(box_fit, boxes, batch)),
        (pairs.without_box(batch), partial(rectangle_fit, boxes, level, batch)),
    ):
        fit[chosen[0], chosen[1]] = measured(*chosen)
    unsure = _on_ignored(query_patch, batch.cells)
    matched = torch.zeros_like(unsure)
    matched[image, query] = True
    counts = (matched | ~unsure).float()
    judged = known_absent[torch.arange(len(query_patch), device=query_patch.device)[:, None], query_patch].float()
    judged[image, query] = (~batch.finer[image, label]).float()
    loss = (primitives.sigmoid_focal(boxes.class_logits, target) * judged).sum(-1)
    # The fit is a soft target, to which the focal weight of a hard one does not apply: plain cross-entropy.
    certain = torch.maximum(matched.float(), _share_judged(batch))
    by_fit = functional.binary_cross_entropy_with_logits(boxes.objectness.float(), fit, reduction="none")
    loss = loss + 0.25 * by_fit * certain
    return (loss * counts).sum() / matched.sum().clamp_min(1)


def _share_judged(batch: PerceptionBatch) -> Tensor:
    """(B, 1) how far "there is nothing" holds where nothing is marked: the share of the classes that it is about."""
    return batch.judged.float().mean(1, keepdim=True)


@torch.no_grad()
def box_fit(boxes: Boxes, batch: PerceptionBatch, image: Tensor, query: Tensor, truth: Tensor) -> Tensor:
    """(K,) in 0..1: overlap of the matched boxes as if both had the true orientation, square-rooted.

    Along each axis the overlap of two intervals is exact; the product is the intersection, and the volumes give the
    union. The square root spreads the small overlaps that small things get.
    """
    offset, a, b = _beside_truth(boxes, batch, image, query, truth)
    overlap = (torch.minimum(offset + a, b) - torch.maximum(offset - a, -b)).clamp_min(0).prod(-1)
    return (overlap / (8 * a.prod(-1) + 8 * b.prod(-1) - overlap).clamp_min(1e-6)).clamp(0, 1).sqrt()


def _beside_truth(
    boxes: Boxes, batch: PerceptionBatch, image: Tensor, prediction: Tensor, truth: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(K, 3) metres each: centres in the frames of the true boxes, half sizes, and half sizes of the true boxes."""
    yaw = batch.yaw[image, truth]
    cos, sin = yaw.cos(), yaw.sin()
    x, y, z = (boxes.center_level[image, prediction].float() - batch.center_level[image, truth]).unbind(-1)
    offset = torch.stack([cos * x - sin * z, y, sin * x + cos * z], -1)
    return offset, boxes.size[image, prediction].float() / 2, batch.size[image, truth] / 2


def _on_ignored(query_patch: Tensor, cells: Tensor) -> Tensor:
    """(B, N) bool: queries that grew from a patch whose class is not judged."""
    return cells.gather(1, query_patch) == IGNORED


def _mean(terms: list[Tensor | None]) -> Tensor | None:
    there = [t for t in terms if t is not None]
    return torch.stack(there).mean() if there else None


def _sum(terms: list[Tensor | None]) -> Tensor | None:
    there = [t for t in terms if t is not None]
    return torch.stack(there).sum() if there else None
