"""Losses against values computed by hand, and where their gradients go."""

from __future__ import annotations

import math

import pytest
import torch

from distill3d_ros.training.loop.uncertainty import CLASSIFICATION, LossWeighting
from distill3d_ros.training.losses import primitives as losses
from distill3d_ros.training.losses.supervised import LANGUAGE_LOSSES, PERCEPTION_LOSSES, TEACHER_LOSSES


def test_depth_regression_by_hand() -> None:
    predicted = torch.tensor([[[2.0, 2.0], [2.0, 9.0]]])
    true = torch.tensor([[[1.0, 4.0], [2.0, 0.0]]])  # the last pixel is unknown
    # |log 2|, |log 1/2|, 0 over three pixels; their signed mean is 0, their standard deviation log 2 sqrt(2 / 3).
    l1 = 2 * math.log(2) / 3
    std = math.log(2) * math.sqrt(2 / 3)
    assert losses.depth_regression(predicted, true, invariance=0.0).item() == pytest.approx(l1, rel=1e-5)
    assert losses.depth_regression(predicted, true, invariance=0.5).item() == pytest.approx(l1 + 0.5 * std, rel=1e-4)
    log_error = torch.full_like(true, math.log(0.5))
    with_likelihood = losses.depth_regression(predicted, true, log_error, likelihood=0.1, invariance=0.0)
    assert with_likelihood.item() == pytest.approx(l1 + 0.1 * (l1 / 0.5 + math.log(0.5)), rel=1e-5)


def test_depth_losses_are_absent_without_known_depth() -> None:
    unknown = torch.zeros(1, 4, 4)
    assert losses.depth_regression(torch.ones(1, 4, 4), unknown) is None
    assert losses.depth_gradient(torch.ones(1, 4, 4), unknown) is None
    assert losses.depth_bins(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), unknown) is None


def test_unknown_depth_has_no_gradient_and_no_nan() -> None:
    predicted = torch.full((1, 2, 2), 2.0, requires_grad=True)
    true = torch.tensor([[[1.0, float("nan")], [0.0, 1.0]]])
    losses.depth_regression(predicted, true).backward()
    assert (predicted.grad[0] != 0).tolist() == [[True, False], [False, True]]
    assert torch.isfinite(predicted.grad).all()


def test_scale_does_not_matter_to_the_gradient_loss_but_a_bend_does() -> None:
    true = torch.rand(2, 8, 8) + 1
    assert losses.depth_gradient(true * 3, true).item() == pytest.approx(0, abs=1e-5)
    ramp = torch.exp(0.1 * torch.arange(8.0)).expand(2, 8, 8)
    # Along x each pixel's log depth grows by 0.1 a pixel, 0.2 at every second and 0.4 at every fourth; along y nothing.
    assert losses.depth_gradient(true * ramp, true).item() == pytest.approx((0.1 + 0.2 + 0.4) / 6, rel=1e-4)


def test_depth_bins_by_hand() -> None:
    middle = 0.5 * (math.log(0.1) + math.log(12.0))  # the one border of two bins, in log metres

    def loss(location: float, true: float) -> float:
        return losses.depth_bins(
            torch.full((1, 1, 1), location), torch.zeros(1, 1, 1), torch.full((1, 1, 1), true), bins=2
        ).item()

    assert loss(middle, 2.0) == pytest.approx(1.0)  # half on either side: an even guess
    # A Laplace distribution of scale 1 whose location lies 1 above the border has exp(-1) / 2 below it.
    assert loss(middle + 1, 0.5) == pytest.approx(-math.log(0.5 * math.exp(-1)) / math.log(2), rel=1e-5)
    assert loss(middle + 1, 2.0) == pytest.approx(-math.log(1 - 0.5 * math.exp(-1)) / math.log(2), rel=1e-5)


def test_the_bins_share_all_probability_and_far_ones_still_teach() -> None:
    centers = torch.exp(math.log(0.1) + (torch.arange(8) + 0.5) / 8 * math.log(120.0))
    probability = 0.0
    for true in centers:
        loss = losses.depth_bins(torch.full((1, 1, 1), 0.7), torch.full((1, 1, 1), -1.0), true.view(1, 1, 1), bins=8)
        probability += math.exp(-loss.item() * math.log(8))
    assert probability == pytest.approx(1.0, rel=1e-5)
    location = torch.full((1, 1, 2), math.log(11.0), requires_grad=True)
    log_error = torch.full((1, 1, 2), -8.0, requires_grad=True)
    losses.depth_bins(location, log_error, torch.tensor([[[0.2, 0.0]]])).backward()
    assert location.grad[0, 0, 0] > 0
    assert location.grad[0, 0, 1] == 0
    assert torch.isfinite(log_error.grad).all()


def test_focal_by_hand() -> None:
    # p = 1/2: positive 0.25 * 0.25 * log 2, negative 0.75 * 0.25 * log 2.
    value = losses.sigmoid_focal(torch.zeros(2), torch.tensor([1.0, 0.0]))
    assert value.tolist() == pytest.approx([0.0625 * math.log(2), 0.1875 * math.log(2)])


def test_yaw_loss_forgives_half_a_turn_only_where_there_is_no_front() -> None:
    value = losses.yaw_loss(torch.tensor([math.pi, math.pi]), torch.zeros(2), torch.tensor([True, False]))
    assert value.tolist() == pytest.approx([2.0, 0.0], abs=1e-5)


def test_answers_count_the_same_however_long() -> None:
    logits = torch.zeros(4, 5)
    logits[0, 2] = 100.0  # question 0: right; question 2: three tokens, one of five equally likely
    value = losses.answer_text(logits, torch.tensor([2, 0, 1, 2]), torch.tensor([0, 2, 2, 2]))
    assert value.item() == pytest.approx((0 + math.log(5)) / 2)
    assert losses.answer_text(logits[:0], torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)) is None


def test_pointing_accepts_any_of_the_objects_that_are_meant() -> None:
    logits = torch.zeros(2, 4)
    logits[:, 2] = -torch.inf  # padding
    meant = torch.tensor([[True, True, False, False], [False, False, False, True]])
    value = losses.pointing(logits, meant, torch.tensor([1.0, 1.0]))
    assert value.item() == pytest.approx((-math.log(2 / 3) - math.log(1 / 3)) / 2)
    only_first = losses.pointing(logits, meant, torch.tensor([1.0, 0.0]))
    assert only_first.item() == pytest.approx(-math.log(2 / 3))
    assert losses.pointing(logits, meant, torch.zeros(2)) is None


def test_weighted_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    value = losses.weighted_cross_entropy(logits, torch.tensor([0, 0]), torch.tensor([1.0, 3.0]))
    assert value.item() == pytest.approx((math.log(2) + 3 * math.log(4)) / 4)


def test_uncertainty_weights_by_hand() -> None:
    weighting = LossWeighting(("depth", "text"))
    with torch.no_grad():
        weighting.s["depth"].fill_(1.0)
        weighting.s["text"].fill_(-1.0)
    total = weighting({"depth": torch.tensor(2.0), "text": torch.tensor(3.0)})
    # Regression: exp(-1) 2 / 2 + 1 / 2; classification: exp(1) 3 - 1 / 2.
    assert total.item() == pytest.approx(math.exp(-1) + 0.5 + 3 * math.e - 0.5, rel=1e-6)


def test_every_classification_is_a_loss_that_there_is() -> None:
    names = (*LANGUAGE_LOSSES, *PERCEPTION_LOSSES, *TEACHER_LOSSES)
    assert len(names) == len(set(names))
    assert set(names) > CLASSIFICATION


def test_an_absent_task_adds_nothing_and_learns_nothing() -> None:
    weighting = LossWeighting(("depth", "text"))
    weighting({"text": torch.tensor(3.0)}).backward()
    assert weighting.s["depth"].grad is None
    assert weighting.s["text"].grad.item() == pytest.approx(-3.0 + 0.5)


def test_s_is_clamped_itself_and_can_come_back() -> None:
    weighting = LossWeighting(("text",), limit=2.0)
    with torch.no_grad():
        weighting.s["text"].fill_(50.0)
    weighting.clamp_()
    assert weighting.s["text"].item() == 2.0
    weighting({"text": torch.tensor(0.0)}).backward()
    assert weighting.s["text"].grad.item() == 0.5


@pytest.mark.parametrize(("kind", "expected"), [("static", 2 * 0.5 + 3.0), ("equal", 5.0)])
def test_fixed_weights(kind: str, expected: float) -> None:
    weighting = LossWeighting(("depth", "text", "names"), kind=kind, weights={"depth": 0.5, "names": 0.0})
    values = {"depth": torch.tensor(2.0), "text": torch.tensor(3.0), "names": torch.tensor(7.0)}
    assert weighting(values).item() == pytest.approx(expected)
    assert not any(p.requires_grad for p in weighting.parameters())


def test_wrong_weighting_is_named() -> None:
    with pytest.raises(ValueError, match=r"weighting must be one of.*'magic'"):
        LossWeighting(("text",), kind="magic")
    with pytest.raises(ValueError, match=r"names no loss of this stage.*'txet'"):
        LossWeighting(("text",), weights={"txet": 1.0})
    with pytest.raises(ValueError, match="no loss to minimise"):
        LossWeighting(("text",), weights={"text": 0.0})({"text": torch.tensor(1.0)})
