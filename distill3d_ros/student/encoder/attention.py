"""Scaled dot-product attention with a fast backward pass on a CPU.

torch's fused kernel is the fastest forward; its backward pass on a CPU in bfloat16 is slow (measured on one core:
384 rows of 28 tokens, 4 heads: 140 ms against 32 ms for plain matrix products). Both give the same to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional

_record: ContextVar[list[Tensor] | None] = ContextVar("attention_record", default=None)


@contextmanager
def recorded_attention() -> Iterator[list[Tensor]]:
    """Inside, each attention of a language model appends its weights (R, heads, t, s) to the list, layer by layer."""
    weights: list[Tensor] = []
    token = _record.set(weights)
    try:
        yield weights
    finally:
        _record.reset(token)


def record_weights(q: Tensor, k: Tensor, bias: Tensor | None) -> None:
    """Appends a layer's attention weights where ``recorded_attention`` wants them; arguments as of ``attend``."""
    record = _record.get()
    if record is not None:
        scores = torch.matmul(q.float() * q.shape[-1] ** -0.5, k.float().transpose(-1, -2))
        record.append((scores if bias is None else scores + bias.float()).softmax(-1))


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """``q`` (B, heads, t, d), ``k`` and ``v`` (B, heads, s, d); ``bias``, added, broadcasts to (B, heads, t, s)."""
    if torch.is_autocast_enabled(q.device.type):
        dtype = torch.get_autocast_dtype(q.device.type)
        q, k, v = q.to(dtype), k.to(dtype), v.to(dtype)
    bias = None if bias is None else bias.to(q.dtype)
    if q.device.type != "cpu" or not torch.is_grad_enabled():
        return functional.scaled_dot_product_attention(q, k, v, bias)
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))
    return torch.matmul((scores if bias is None else scores + bias).softmax(-1).to(v.dtype), v)


def attention_bias(mask: Tensor) -> Tensor:
    """A bool mask (True: may attend) as a bias. Large and finite: a row without any True must not give NaN."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -1e4)
