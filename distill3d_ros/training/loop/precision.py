"""Arithmetic of a training step: bfloat16 where the processor has it."""

from __future__ import annotations

import torch


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 itself; where it does not, torch imitates that ten times slower.

    On x86 it takes AVX-512 or AVX-NE-CONVERT.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def step_precision(asked: str, device: torch.device) -> str:
    """``bf16`` if that was asked for and the device has it, else ``fp32``."""
    return "bf16" if asked == "bf16" and has_bfloat16(device) else "fp32"
