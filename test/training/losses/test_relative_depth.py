"""Relative depth teaches shape alone."""

from __future__ import annotations

import pytest
import torch

from distill3d_ros.training.losses.relative_depth import relative_depth


def depths() -> torch.Tensor:
    torch.manual_seed(0)
    return 1 + 4 * torch.rand(2, 12, 16)


def test_any_scale_and_shift_of_the_inverse_is_right() -> None:
    true = depths()
    for scale, shift in ((1.0, 0.0), (3.0, 0.0), (0.2, 0.4)):
        loss = relative_depth(true, 1 / (scale / true + shift))
        assert loss is not None
        assert loss < 1e-4
    wrong = relative_depth(true, depths().flip(2))
    assert wrong is not None
    assert wrong > 0.3


def test_a_hand_computed_case() -> None:
    """Inverse depths 1, 2, 3, 4 (median 2, mean distance 1) against 1, 2, 3, 6 (median 2, mean distance 1.5).

    Each in 8 columns: -1, 0, 1, 2 against -2/3, 0, 2/3, 8/3. Differences -1/3, 0, 1/3, -2/3; those of 2/3 are a
    quarter, more than is trimmed: half the mean is 1/6. No gradient across; down it is 1/3, 1/3, -1 at every pixel,
    every second 2/3, and none beyond: half of (5/9 + 2/3) / 4.
    """
    ours = (1 / torch.tensor([1.0, 2, 3, 4]))[None, :, None].expand(1, 4, 8)
    theirs = (1 / torch.tensor([1.0, 2, 3, 6]))[None, :, None].expand(1, 4, 8)
    loss = relative_depth(ours, theirs)
    assert loss is not None
    assert loss.item() == pytest.approx(1 / 6 + 0.5 * (5 / 9 + 2 / 3) / 4, rel=1e-5)


def test_unknown_pixels_and_pictures_teach_nothing() -> None:
    predicted, target = depths().requires_grad_(), depths().flip(1)
    target[0] = 0
    target[1, :, :4] = 0
    loss = relative_depth(predicted, target)
    assert loss is not None
    loss.backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()
    assert not predicted.grad[0].any()
    assert not predicted.grad[1, :, :4].any()
    assert predicted.grad[1, :, 4:].any()
    assert relative_depth(predicted, torch.zeros_like(target)) is None


def test_a_twentieth_of_wild_pixels_does_not_decide() -> None:
    true = depths()
    wild = true.clone()
    wild[:, ::5, ::4] = 100.0
    spoilt, clean = relative_depth(true, wild, scales=0), relative_depth(true, true, scales=0)
    assert spoilt is not None
    assert clean is not None
    assert spoilt - clean < 0.1
