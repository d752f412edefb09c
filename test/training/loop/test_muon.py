"""Muon against exact orthogonal factors, and against what torch's own does."""

from __future__ import annotations

import pytest
import torch

from distill3d_ros.training.loop.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(48, 80), (80, 48), (64, 64)])
def test_singular_values_come_to_about_one_and_their_directions_stay(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    inner = left.mT @ orthogonalised(matrices) @ right.mT  # diagonal where directions are the same
    values = inner.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(inner, torch.diag_embed(values), atol=1e-3, rtol=0)
    large = values[:, : min(shape) // 2]
    assert large.min() > 0.65
    assert large.max() < 1.25


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not orthogonalised(torch.zeros(1, 64, 64)).any()


def test_steps_are_those_of_torch_but_for_its_rounding() -> None:
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(64, 96, generator=generator), torch.randn(128, 64, generator=generator)]
    ours = [torch.nn.Parameter(x.clone()) for x in start]
    theirs = [torch.nn.Parameter(x.clone()) for x in start]
    optimizers = (
        Muon([{"params": ours, "weight_decay": 0.05}], lr=0.01),
        torch.optim.Muon([{"params": theirs, "weight_decay": 0.05}], lr=0.01, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for a, b, x in zip(ours, theirs, start, strict=True):
        assert (a - b).norm() < 0.03 * (a - x).norm()


def test_other_parameters_than_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match=r"matrices.*\(8,\)"):
        Muon([torch.nn.Parameter(torch.zeros(8))])
