"""Losses of perception on images that say different things about themselves: what is unknown teaches nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from support.student_fixtures import small_student
from support.training.known_views import label_index, view

from distill3d_ros.student.config import SegmentationConfig
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.student import Student
from distill3d_ros.training.inputs.box_matching import IGNORED, NOBODY, match_sets
from distill3d_ros.training.inputs.targets import PerceptionBatch, perceive_batch, perception_batch
from distill3d_ros.training.losses import primitives
from distill3d_ros.training.losses.semantics import semantic_loss
from distill3d_ros.training.losses.supervised import PERCEPTION_LOSSES, Losses, box_loss, perception_losses

LABELS = ("chair", "armchair", "table", "lamp")
CHAIR, ARMCHAIR, TABLE, LAMP = range(4)
WHOLE_BOXES = {"proposal_box", "detection_box", "detection_overlap"}
VISIBLE_BOXES = {"image_box", "surface"}


@pytest.fixture(scope="module")
def student() -> Student:
    found = small_student(labels=LABELS, segmentation=SegmentationConfig(dim=16))
    with torch.no_grad():  # all patches propose things that are near enough to be matched
        found.detection_head.propose.labels.fc2.bias.zero_()
    return found.train()


def learned(student: Student, *known: dict[str, Any]) -> tuple[Losses, Perception, PerceptionBatch]:
    batch = perception_batch(
        [view(**one) for one in known], label_index(LABELS), min_visible_pixels=10, grid=(4, 4), up_given=True
    )
    perception = perceive_batch(student, batch, semantics=True)
    return perception_losses(perception, batch), perception, batch


def gradient(loss: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.grad(loss, of, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(of) if found is None else found


def test_everything_known_has_no_loss_of_visible_boxes(student: Student) -> None:
    losses, *_ = learned(student, {}, {})
    assert not VISIBLE_BOXES & set(losses)
    assert {"depth", "camera", "proposal_class", "proposal_box", "semantics"} <= set(losses)


def test_where_everything_is_known_the_losses_are_the_plain_ones_to_the_bit(student: Student) -> None:
    losses, perception, batch = learned(student, {}, {})
    camera = primitives.direction_loss(perception.up, batch.up)
    camera = camera + primitives.field_of_view_loss(perception.fov[:, 0], batch.fov)
    assert torch.equal(losses["camera"], camera)
    proposals, positive = perception.proposals, batch.cells >= 0
    image, patch = torch.nonzero(positive, as_tuple=True)
    target = torch.zeros_like(proposals.class_logits)
    target[image, patch, batch.labels[image, batch.cells[image, patch]]] = 1.0
    focal = primitives.sigmoid_focal(proposals.class_logits, target).sum(-1)
    focal = focal + primitives.sigmoid_focal(proposals.objectness, positive.float())
    plain = (focal * (batch.cells != IGNORED).float()).sum() / positive.sum()
    assert torch.equal(losses["proposal_class"], plain)
    whole = box_loss(proposals, batch, image, patch, batch.cells[image, patch], batch.intrinsics[:, 0, :2])
    assert whole is not None
    assert torch.equal(losses["proposal_box"], whole)


def test_visible_boxes_teach_no_whole_box(student: Student) -> None:
    losses, *_ = learned(student, {"boxes": "visible", "depth": "measured"})
    assert not WHOLE_BOXES & set(losses)
    assert set(losses) >= VISIBLE_BOXES
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_each_image_of_a_mixture_teaches_what_it_knows(student: Student) -> None:
    losses, perception, _ = learned(student, {}, {"boxes": "visible", "depth": "measured"})
    assert set(losses) <= set(PERCEPTION_LOSSES)
    size = perception.proposals.log_size
    of_whole, of_visible = gradient(losses["proposal_box"], size), gradient(losses["image_box"], size)
    assert of_whole[0].any()
    assert not of_whole[1].any()
    assert not of_visible[0].any()
    assert of_visible[1].any()
    assert gradient(losses["surface"], perception.proposals.center)[1].any()
    assert not gradient(losses["surface"], perception.depth).any()


def test_an_image_without_depth_teaches_none(student: Student) -> None:
    losses, perception, _ = learned(student, {"depth": "none", "boxes": "visible"})
    assert not {"depth", "depth_gradient", "surface"} & set(losses)
    assert "image_box" in losses
    losses, perception, _ = learned(student, {"depth": "none", "boxes": "visible"}, {})
    grad = gradient(losses["depth"] + losses["depth_gradient"], perception.depth)
    assert not grad[0].any()
    assert grad[1].any()


def test_an_image_without_gravity_does_not_teach_up(student: Student) -> None:
    losses, perception, _ = learned(student, {"gravity": False, "boxes": "visible"}, {})
    grad = gradient(losses["camera"], perception.up)
    assert not grad[0].any()
    assert grad[1].any()
    assert gradient(losses["camera"], perception.fov)[0].any()
    losses, perception, _ = learned(student, {"gravity": False, "boxes": "visible"})
    assert not gradient(losses["camera"], perception.up).any()


def test_where_nobody_looked_for_objects_none_is_absent(student: Student) -> None:
    losses, perception, _ = learned(student, {"boxes": "none"})
    assert not (WHOLE_BOXES | VISIBLE_BOXES | {"semantics"}) & set(losses)
    for name in ("proposal_class", "detection_class"):
        assert losses[name].item() == 0.0
    for boxes, name in ((perception.proposals, "proposal_class"), (perception.detections, "detection_class")):
        assert not gradient(losses[name], boxes.class_logits).any()
        assert not gradient(losses[name], boxes.objectness).any()


def test_a_marked_chair_may_be_an_armchair(student: Student) -> None:
    known: dict[str, Any] = {"boxes": "visible", "classes": frozenset({"chair", "table"})}
    covering = {**known, "covers": {"chair": ("armchair",)}}
    for settings, judged in ((known, True), (covering, False)):
        losses, perception, batch = learned(student, settings)
        grad = gradient(losses["proposal_class"], perception.proposals.class_logits)[0]
        at_chair = batch.cells[0] == 0
        assert at_chair.any()
        assert grad[at_chair, CHAIR].all()
        assert grad[at_chair, TABLE].all()  # a chair is no table
        assert bool(grad[at_chair, ARMCHAIR].any()) == judged
        assert grad[batch.cells[0] == 1, ARMCHAIR].all()  # a table is no armchair


def test_classes_that_nobody_looked_for_are_not_absent(student: Student) -> None:
    losses, perception, batch = learned(
        student, {"boxes": "visible", "masks": False, "classes": frozenset({"chair", "table"})}
    )
    empty = batch.cells[0] == NOBODY
    assert empty.any()
    grad = gradient(losses["proposal_class"], perception.proposals.class_logits)[0]
    assert not grad[empty][:, [ARMCHAIR, LAMP]].any()
    assert grad[empty][:, [CHAIR, TABLE]].all()


def test_segmentation_adds_the_classes_that_may_be_meant() -> None:
    """One known pixel each: probabilities of .1, .2, .3, .15 and .25 of no category, of which several may be meant."""
    known = {"boxes": "visible", "masks": False, "classes": frozenset({"chair", "table"})}
    batch = perception_batch(
        [view(**known, covers={"chair": ("armchair",)})], label_index(LABELS), min_visible_pixels=10, grid=(4, 4)
    )
    logits = torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25]).log()[None, :, None, None].expand(1, 5, 8, 8)
    for target, probability in ((CHAIR, 0.1 + 0.2), (TABLE, 0.3), (len(LABELS), 0.25 + 0.15)):
        semantics = torch.full_like(batch.semantics, -100)
        semantics[0, 3, 3] = target
        loss = semantic_loss(logits, replace(batch, semantics=semantics))
        assert loss is not None
        assert loss.item() == pytest.approx(-torch.tensor(probability).log().item(), rel=1e-5)
    assert semantic_loss(logits, replace(batch, semantics=torch.full_like(batch.semantics, -100))) is None


def test_unknown_pixels_do_not_teach_the_segmentation(student: Student) -> None:
    losses, perception, _ = learned(student, {"boxes": "visible"})
    assert perception.semantics is not None
    grad = gradient(losses["semantics"], perception.semantics)[0, 0]
    assert not grad[:, 7].any()  # the lowest rows
    assert grad[:, 0].any()


def test_an_object_of_unknown_distance_is_matched_by_its_direction() -> None:
    logits = torch.zeros(1, 2, 1)
    centers = torch.tensor([[[0.0, 0.0, 5.0], [2.0, 0.0, 4.0]]])
    label = torch.zeros(1, 1, dtype=torch.long)
    on_ray, size = torch.tensor([[[0.5, 0.0, 1.0]]]), torch.full((1, 1, 3), 0.1)
    mask, unknown = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.bool)
    (query, _), *_ = match_sets(logits, centers, label, on_ray, size, mask, ranged=unknown)
    assert query.tolist() == [1]  # exactly on the ray, at four times the distance
    (query, _), *_ = match_sets(logits, centers, label, on_ray, size, mask, ranged=~unknown)
    assert query.tolist() == []
