"""Storage of the language model's layers: as floats, or in 8 or 4 bits with bitsandbytes."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "8bit": torch.float16,
    "4bit": torch.bfloat16,
}
"""-> what is computed with. In 8 bits bitsandbytes multiplies float16 alone."""


def check_precision(precision: str) -> None:
    """
    Raises:
        ValueError: an unknown precision.
        ImportError: it needs bitsandbytes, which is not installed.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}. Got {precision!r}")
    if precision in ("8bit", "4bit"):
        _bitsandbytes(precision)


def quantise_layers(language: LlamaForCausalLM, precision: str) -> None:
    """Puts bitsandbytes' linear layers, still without weights, in place of those of the decoder. The head stays."""
    bnb, dtype = _bitsandbytes(precision), PRECISIONS[precision]
    for block in language.model.layers:
        for name, linear in [(n, m) for n, m in block.named_modules() if isinstance(m, nn.Linear)]:
            shape, bias = (linear.in_features, linear.out_features), linear.bias is not None
            if precision == "4bit":
                new = bnb.nn.Linear4bit(*shape, bias=bias, compute_dtype=dtype, quant_type="nf4", device="meta")
            else:
                new = bnb.nn.Linear8bitLt(*shape, bias=bias, has_fp16_weights=False, threshold=6.0, device="meta")
            block.set_submodule(name, new)


def quantised(weight: Tensor, precision: str, device: torch.device) -> nn.Parameter:
    """A weight as ``quantise_layers``' modules hold it, on the device."""
    bnb, weight = _bitsandbytes(precision), weight.to(PRECISIONS[precision])
    if precision == "4bit":
        packed = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", compress_statistics=True)
    else:
        packed = bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
    return packed.to(device)


def is_quantised(module: nn.Module) -> bool:
    return type(module).__name__ in ("Linear4bit", "Linear8bitLt")


def _bitsandbytes(precision: str) -> ModuleType:
    try:
        return importlib.import_module("bitsandbytes")
    except ImportError as error:
        raise ImportError(
            f"precision {precision!r} needs the package bitsandbytes, which is not installed: pip install "
            "bitsandbytes, or choose bfloat16 or float16"
        ) from error
