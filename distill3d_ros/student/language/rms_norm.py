"""Root mean square normalisation that is fast in training under autocast.

On a CPU a small model is bound by memory traffic, not by arithmetic: the normalisation is computed in few passes, and
its output has the type of the matrix products, instead of being converted again for each of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class RmsNorm(nn.Module):
    """y = x / rms(x) * weight over the last axis (Zhang & Sennrich 2019); under autocast y has autocast's type."""

    def __init__(self, weight: nn.Parameter, eps: float) -> None:
        super().__init__()
        self.weight = weight
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        if torch.is_grad_enabled():
            return _RmsNorm.apply(x, self.weight, self.eps, dtype)
        unit, _ = _unit(x, self.eps, dtype)
        return unit * self.weight.to(dtype)


class _RmsNorm(torch.autograd.Function):
    """The normalisation with a backward pass in few passes; ``dtype`` is the type of y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        unit, scale = _unit(x, eps, dtype)
        ctx.save_for_backward(unit, scale, weight)
        ctx.dtype = x.dtype
        return unit * weight.to(dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        unit, scale, weight = ctx.saved_tensors
        product = grad * unit  # (..., E)
        grad_weight = product.flatten(0, -2).sum(0, dtype=torch.float32)
        along = (product @ weight.to(product.dtype)).unsqueeze(-1) / unit.shape[-1]
        grad_unit = torch.addcmul(grad * weight.to(grad.dtype), unit, along, value=-1)
        return (grad_unit * scale).to(ctx.dtype), grad_weight.to(weight.dtype), None, None


def _unit(x: Tensor, eps: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """x / rms(x) in ``dtype``, and 1 / rms(x) (..., 1)."""
    square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square()
    scale = torch.rsqrt(square / x.shape[-1] + eps)
    return (x * scale).to(dtype), scale
