"""Boxes against what is visible of their objects: hand-computed projections, and where the gradients flow."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from support.training.known_views import label_index, view
from torch import Tensor

from distill3d_ros.student.outputs import Boxes
from distill3d_ros.training.inputs.targets import PerceptionBatch, perception_batch
from distill3d_ros.training.losses.visible_boxes import rectangle_fit, visible_box_losses

LEVEL = torch.eye(3)[None]
ONE = torch.zeros(1, dtype=torch.long)


def batch(
    rectangle: tuple[float, ...], free: tuple[bool, ...] = (True,) * 4, near: float = 2.0, far: float = 2.5
) -> PerceptionBatch:
    """One object with this truth; the camera has a focal length of 64 and its centre at (31.5, 31.5)."""
    found = perception_batch([view(boxes="visible")], label_index(["chair"]), min_visible_pixels=10, grid=(4, 4))
    values = {"rectangle": torch.tensor([[rectangle]]), "free": torch.tensor([[free]])}
    return replace(found, **values, near=torch.tensor([[near]]), far=torch.tensor([[far]]))


def boxes(center: list[float], size: list[float], yaw: float = 0.0) -> tuple[Boxes, Tensor, Tensor, Tensor]:
    c, s = torch.tensor([[center]], requires_grad=True), torch.tensor([[size]], requires_grad=True)
    turn = torch.tensor([[[math.sin(yaw), math.cos(yaw)]]], requires_grad=True)
    unused = torch.zeros(1, 1, 3)
    found = Boxes(
        class_logits=unused, objectness=unused[..., 0], center_uv=unused[..., :2], log_depth_ratio=unused[..., 0],
        log_size=s.log(), angle=turn, depth=c[..., 2], center=c, center_level=c, size=s, yaw_vector=turn,
        feature=unused,
    )  # fmt: skip
    return found, c, s, turn


def losses(found: Boxes, true: PerceptionBatch) -> tuple[float, float]:
    picture, axis = visible_box_losses(found, LEVEL, true, ONE, ONE, ONE)
    assert picture is not None
    assert axis is not None
    return picture.item(), axis.item()


def test_a_box_that_fits_has_no_loss() -> None:
    """A box of 1 x 1 x 0.5 m with its front 2 m away: 64 / 2 = 32 pixels wide, from 15.5 to 47.5."""
    found, *_ = boxes([0.0, 0.0, 2.25], [1.0, 1.0, 0.5])
    true = batch((15.5, 15.5, 47.5, 47.5))
    assert losses(found, true) == pytest.approx((0.0, 0.0), abs=1e-5)
    assert rectangle_fit(found, LEVEL, true, ONE, ONE, ONE).item() == pytest.approx(1.0, abs=1e-4)


def test_the_error_of_a_side_is_in_radians_and_relative() -> None:
    """The box ends 8 pixels inside of the rectangle at the right: 8 / 64 = .125, relative to 40 / 64: .125 / .625."""
    found, *_ = boxes([0.0, 0.0, 2.25], [1.0, 1.0, 0.5])
    true = batch((15.5, 15.5, 55.5, 47.5))
    assert losses(found, true)[0] == pytest.approx(0.125 + 0.5 * 0.125 / 0.625, rel=1e-4)
    overlap = 32 * 32 / (40 * 32)
    assert rectangle_fit(found, LEVEL, true, ONE, ONE, ONE).item() == pytest.approx(math.sqrt(overlap), rel=1e-4)


def test_beyond_a_side_that_is_not_the_objects_end_a_box_may_reach() -> None:
    """It reaches 16 pixels beyond the rectangle at the right, of whose 16 pixels .15 are 2.4: 13.6 / 64 too far."""
    found, *_ = boxes([0.0, 0.0, 2.25], [1.0, 1.0, 0.5])
    rectangle = (15.5, 15.5, 31.5, 47.5)
    too_far = 13.6 / 64
    assert losses(found, batch(rectangle))[0] == pytest.approx(too_far * (1 + 0.5 / 0.25), rel=1e-3)
    hidden = batch(rectangle, free=(True, True, False, True))
    assert losses(found, hidden)[0] == pytest.approx(0.0, abs=1e-5)
    assert rectangle_fit(found, LEVEL, hidden, ONE, ONE, ONE).item() == pytest.approx(1.0, abs=1e-4)
    # But it must not end inside of the visible part.
    assert losses(found, batch((15.5, 15.5, 55.5, 47.5), free=(False,) * 4))[0] > 0.1


def test_a_turned_box_is_projected_by_its_corners() -> None:
    """Turned by 45 degrees a square of side 1 reaches .707 either way at its middle's distance, 3 m: 15.08 pixels."""
    found, *_ = boxes([0.0, 0.0, 3.0], [1.0, 1.0, 1.0], yaw=math.pi / 4)
    half = 64 * math.sqrt(0.5) / 3.0
    nearest = 3.0 - math.sqrt(0.5)
    high = 64 * 0.5 / nearest
    true = batch((31.5 - half, 31.5 - high, 31.5 + half, 31.5 + high), near=nearest, far=3.2)
    assert losses(found, true) == pytest.approx((0.0, 0.0), abs=1e-4)


def test_the_front_must_be_where_the_surface_is() -> None:
    rectangle = (15.5, 15.5, 47.5, 47.5)
    found, *_ = boxes([0.0, 0.0, 2.25], [1.0, 1.0, 0.5])  # from 2 m to 2.5 m
    assert losses(found, batch(rectangle, near=1.6))[1] == pytest.approx(math.log(2.0 / 1.6), rel=1e-4)
    farther = batch(rectangle, near=2.4, far=2.45)
    middle = math.log(2.4 / 2.25)
    assert losses(found, farther)[1] == pytest.approx(math.log(2.4 / 2.0) - 0.12 + middle, rel=1e-3)
    # Where a part is hidden, the nearest corner may be that part's.
    hidden = batch(rectangle, near=2.4, far=2.45, free=(True, True, True, False))
    assert losses(found, hidden)[1] == pytest.approx(middle, rel=1e-3)
    # The farthest corner, 2.5 m, must not be nearer than the farthest surface.
    assert losses(found, batch(rectangle, far=3.0))[1] == pytest.approx(math.log(3.0 / 2.5), rel=1e-3)


def test_without_depth_the_axis_teaches_nothing() -> None:
    found, *_ = boxes([0.0, 0.0, 2.25], [1.0, 1.0, 0.5])
    picture, axis = visible_box_losses(found, LEVEL, batch((0.0,) * 4, near=0.0, far=0.0), ONE, ONE, ONE)
    assert picture is not None
    assert axis is None
    none = torch.zeros(0, dtype=torch.long)
    assert visible_box_losses(found, LEVEL, batch((0.0,) * 4), none, none, none) == (None, None)


def test_gradients_move_what_is_seen_and_leave_what_is_hidden() -> None:
    found, center, size, turn = boxes([0.0, 0.0, 2.25], [1.0, 1.0, 0.5], yaw=0.4)
    picture, _ = visible_box_losses(found, LEVEL, batch((15.5, 15.5, 60.5, 60.5)), ONE, ONE, ONE)
    assert picture is not None
    picture.backward()
    assert turn.grad is None or not turn.grad.any()
    assert center.grad is not None
    assert center.grad[0, 0, 0] < 0  # a step against it moves the box to the right
    assert size.grad is not None
    assert size.grad[0, 0, 1] < 0
    found, center, size, _ = boxes([0.0, 0.0, 2.25], [1.0, 1.0, 0.5])
    _, axis = visible_box_losses(found, LEVEL, batch((15.5, 15.5, 47.5, 47.5), near=1.6), ONE, ONE, ONE)
    assert axis is not None
    axis.backward()
    assert center.grad is not None
    assert center.grad[0, 0, 2] > 0
    assert size.grad is None or not size.grad.any()  # it comes nearer; it does not become thicker


def test_a_box_beside_the_camera_has_finite_gradients() -> None:
    found, center, size, _ = boxes([0.3, 0.0, -0.2], [2.0, 1.0, 2.0])
    picture, axis = visible_box_losses(found, LEVEL, batch((15.5, 15.5, 47.5, 47.5)), ONE, ONE, ONE)
    assert picture is not None
    assert axis is not None
    (picture + axis).backward()
    for grad in (center.grad, size.grad):
        assert grad is not None
        assert torch.isfinite(grad).all()
    assert center.grad is not None
    assert center.grad[0, 0, 2] < 0  # it is moved before the camera
