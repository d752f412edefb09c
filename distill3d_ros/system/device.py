"""The device that torch computes on."""

from __future__ import annotations

import os

import torch


def torch_device(wanted: str) -> torch.device:
    """``auto`` is the GPU of this process (torchrun numbers them) where there is one."""
    if wanted != "auto":
        return torch.device(wanted)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
