"""Faster training of a transformers Llama under autocast; the values are equal up to rounding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaModel
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from distill3d_ros.student.language.rms_norm import RmsNorm


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
