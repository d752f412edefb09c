"""How much memory training takes."""

from __future__ import annotations

import resource
import sys

import torch


def peak_memory(device: torch.device) -> dict[str, float]:
    """MiB at most so far: of this process without those that build its batches, and of its tensors on a GPU."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    row = {"peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20}
    if device.type == "cuda":
        row["peak_gpu_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
    return row
