"""Muon: momentum whose update is made orthogonal (Jordan et al., "Muon: An optimizer for hidden layers in neural
networks", 2024).

torch has one, too, which multiplies in bfloat16 whatever the processor: on one without such arithmetic that took three
quarters of a training step. This one multiplies in bfloat16 on GPUs and in float32 on CPUs, matrices of one shape
together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz iteration, which brings singular values between 0 and 1 to about 1 (0.7 to 1.2)."""
ITERATIONS = 5
_LIKE_ADAMW = 0.2
"""Root mean square of an update of AdamW, which this one is scaled to (Liu et al., "Muon is Scalable for LLM
Training", 2025), so that both have one learning rate."""


def orthogonalised(matrices: Tensor) -> Tensor:
    """(N, R, C) matrices with their singular values brought to about 1, float32.

    A matrix U S V^T becomes about U V^T; a matrix of zeros stays one.
    """
    a, b, c = COEFFICIENTS
    x = matrices.to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)  # no singular value is above 1
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.mT).float()


class Muon(torch.optim.Optimizer):
    """Of matrices alone; other parameters want another optimiser.

    Args:
        params: matrices, or groups of them.
        lr: serves AdamW, too.
        momentum: of the gradients, Nesterov's.
        weight_decay: decoupled from the gradient, as AdamW's.

    Raises:
        ValueError: a parameter is no matrix.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float = 1e-3, momentum: float = 0.95, weight_decay: float = 0.1
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(f"Muon is for matrices. Got a parameter of shape {tuple(p.shape)}")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            of_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    of_shape.setdefault(p.shape, []).append((p, self._smoothed(p, p.grad, group["momentum"])))
            for shape, pairs in of_shape.items():
                updates = orthogonalised(torch.stack([smoothed for _, smoothed in pairs]))
                rate = group["lr"] * _LIKE_ADAMW * math.sqrt(max(shape))
                for (p, _), update in zip(pairs, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update.to(p.dtype), alpha=-rate)

    def _smoothed(self, p: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        buffer: Tensor = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - momentum)
        return gradient.lerp(buffer, momentum)
