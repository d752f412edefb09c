"""Peak memory of training, of the process and of its tensors on a GPU."""

from __future__ import annotations

import torch

from distill3d_ros.system.memory import peak_rss_mib


def peak_memory(device: torch.device) -> dict[str, float]:
    """MiB at most so far: of this process without those that build its batches, and of its tensors on a GPU."""
    row = {"peak_rss_mib": peak_rss_mib()}
    if device.type == "cuda":
        row["peak_gpu_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
    return row
