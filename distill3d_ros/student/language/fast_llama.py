"""Faster training of a transformers Llama under autocast; the values are equal up to rounding.

On a CPU a small model is bound by memory traffic, not by arithmetic. Its normalisations are computed in fewer passes
and their output has the type of the matrix products, instead of being converted again for each of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaModel
from transformers.models.llama.modeling_llama import LlamaRMSNorm


class _RmsNorm(torch.autograd.Function):
    """y = x / rms(x) * weight over the last axis; ``dtype`` is the type of y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square()
        scale = torch.rsqrt(square / x.shape[-1] + eps)  # (..., 1)
        unit = (x * scale).to(dtype)
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


class RmsNorm(nn.Module):
    """Root mean square normalisation; under autocast its output has autocast's type."""

    def __init__(self, weight: nn.Parameter, eps: float) -> None:
        super().__init__()
        self.weight = weight
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        return _RmsNorm.apply(x, self.weight, self.eps, dtype)


def speed_up(model: LlamaModel) -> LlamaModel:
    """Replaces the normalisations and the type of the rotations, in place; names and shapes of weights stay."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LlamaRMSNorm):
                setattr(parent, name, RmsNorm(child.weight, child.variance_epsilon))
    model.rotary_emb.register_forward_hook(_to_autocast)
    return model


def _to_autocast(module: nn.Module, inputs: Any, output: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    device = output[0].device.type
    if not torch.is_autocast_enabled(device):
        return output
    return tuple(x.to(torch.get_autocast_dtype(device)) for x in output)
