"""Gradient checkpointing of transformer blocks: less memory for a third more time.

What a block computed is computed again when its gradient is needed (Chen et al. 2016). A decoder layer's keys and
values go on being shared through the cache.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from distill3d_ros.student.encoder.vggt import Block
from distill3d_ros.student.language.decoder import Cache, DecoderLayer


def recompute_blocks(student: nn.Module) -> int:
    """From now on the student's transformer blocks (the encoder's, a DINOv2's, the language model's) keep only their
    inputs while it trains. Returns how many there are.

    Raises:
        ValueError: the model has none.
    """
    blocks = [m for m in student.modules() if isinstance(m, _block_types())]
    if not blocks:
        raise ValueError(
            "gradient_checkpointing: the student has no transformer block whose values could be recomputed"
        )
    for block in blocks:
        block.forward = _checkpointed(block, block.forward)
    return len(blocks)


def _block_types() -> tuple[type[nn.Module], ...]:
    if "transformers" not in sys.modules:  # then no part of the student is one of its models
        return Block, DecoderLayer
    from transformers.modeling_layers import GradientCheckpointingLayer

    return Block, DecoderLayer, GradientCheckpointingLayer


def _checkpointed(block: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not (block.training and torch.is_grad_enabled()):
            return forward(*args, **kwargs)
        past = kwargs.pop("past_key_values", None)
        if past is None:
            return checkpoint(forward, *args, use_reentrant=False, **kwargs)
        attention: Any = block.self_attn
        layer = int(attention.layer_idx)

        def with_past(*before: Tensor) -> tuple[Any, Tensor, Tensor]:
            cache = _OneLayer(before)
            return forward(*args, past_key_values=cache, **kwargs), cache.keys, cache.values

        output, keys, values = checkpoint(with_past, *_of_layer(past, layer), use_reentrant=False)
        past.update(keys, values, layer)
        return output

    return run


class _OneLayer:
    """A layer's keys and values so far, to which each run of the layer adds its own without leaving a trace."""

    def __init__(self, before: tuple[Tensor, ...]) -> None:
        self.before = before
        self.keys = self.values = torch.empty(0)

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        self.keys, self.values = keys, values
        if not self.before:
            return keys, values
        return torch.cat([self.before[0], keys], -2), torch.cat([self.before[1], values], -2)


def _of_layer(past: Cache, number: int) -> tuple[Tensor, ...]:
    """Keys and values of a layer; nothing before the first tokens."""
    layer = past.layers[number] if number < len(past.layers) else None
    return () if layer is None or layer.keys is None else (layer.keys, layer.values)
