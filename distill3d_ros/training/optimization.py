"""What the optimiser does: which parameters learn, how fast, and when."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.uncertainty import LossWeighting


def learning_rate(step: int, config: StageConfig, minutes: float = 0.0) -> float:
    """Factor on ``lr`` at a step: linear warm-up, then half a cosine down to ``min_lr`` (Loshchilov and Hutter).

    The cosine ends with the steps, or with the planned minutes if that is sooner.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    if config.minutes:
        progress = max(progress, minutes / config.minutes)
    return config.min_lr + (1 - config.min_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def trained_parameters(student: nn.Module, modules: Sequence[str], config: StageConfig) -> dict[str, nn.Parameter]:
    """The parameters of these modules that learn in this stage, by name; the others are frozen.

    What the student's own configuration freezes stays frozen.
    """
    chosen = {}
    for name, parameter in student.named_parameters():
        learns = name.startswith(tuple(f"{m}." for m in modules)) and lr_scale(name, config) > 0
        if parameter.requires_grad and learns:
            chosen[name] = parameter
        parameter.requires_grad_(name in chosen)
    if not chosen:
        raise ValueError(f"stage {config.name!r} trains nothing: lr_scales {config.lr_scales} freeze every parameter")
    return chosen


def lr_scale(name: str, config: StageConfig) -> float:
    """The factor of the longest prefix in ``lr_scales`` that the name begins with; 1 without any."""
    matching = [prefix for prefix in config.lr_scales if name.startswith(prefix)]
    return float(config.lr_scales[max(matching, key=len)]) if matching else 1.0


def make_optimizer(
    parameters: dict[str, nn.Parameter], weighting: LossWeighting, config: StageConfig
) -> torch.optim.Optimizer:
    """AdamW; matrices decay, vectors (biases, norms, LayerScale) and the loss weights do not."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, p in parameters.items():
        decay = config.weight_decay if p.ndim > 1 and "embedding" not in name else 0.0
        groups.setdefault((lr_scale(name, config), decay), []).append(p)
    rows = [{"params": ps, "scale": s, "weight_decay": d} for (s, d), ps in groups.items()]
    learned = [s for s in weighting.parameters() if s.requires_grad]
    if learned:
        rows.append({"params": learned, "scale": 1.0, "weight_decay": 0.0})
    return torch.optim.AdamW(rows, lr=config.lr, betas=config.betas)
