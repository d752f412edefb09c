"""Optimiser and schedule: trained parameters, learning rates, warm-up and decay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.loop.muon import Muon
from distill3d_ros.training.loop.uncertainty import LossWeighting

_LEAST_MUON_WIDTH = 64
_NOT_HIDDEN = ("embed", "lm_head")


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
    """AdamW, or Muon for the matrices of hidden layers and AdamW for the rest, as the stage's ``optimizer`` says.

    Matrices decay; vectors (biases, norms, LayerScale) and the loss weights do not.
    """
    rows: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
    for name, p in parameters.items():
        decay = config.weight_decay if p.ndim > 1 and "embedding" not in name else 0.0
        orthogonal = config.optimizer == "muon" and _is_hidden_matrix(name, p)
        rows.setdefault((orthogonal, lr_scale(name, config), decay), []).append(p)
    groups: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for (orthogonal, scale, decay), ps in rows.items():
        groups[orthogonal].append({"params": ps, "scale": scale, "weight_decay": decay})
    learned = [s for s in weighting.parameters() if s.requires_grad]
    if learned:
        groups[False].append({"params": learned, "scale": 1.0, "weight_decay": 0.0})
    parts: list[torch.optim.Optimizer] = []
    if groups[False]:
        parts.append(torch.optim.AdamW(groups[False], lr=config.lr, betas=config.betas))
    if groups[True]:
        parts.append(Muon(groups[True], lr=config.lr))
    return parts[0] if len(parts) == 1 else OptimizerPair(parts)


def _is_hidden_matrix(name: str, p: nn.Parameter) -> bool:
    """Whether Muon applies: a matrix between hidden layers, wide on both sides; no embedding, nor the first or last."""
    return p.ndim == 2 and min(p.shape) >= _LEAST_MUON_WIDTH and not any(part in name for part in _NOT_HIDDEN)


class OptimizerPair(torch.optim.Optimizer):
    """Several optimisers that step as one; their groups can be looked at and changed as if they were one's."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        states = state_dict.get("parts", [])
        if len(states) != len(self.parts):
            raise ValueError(f"the state is of {len(states)} optimisers, this stage has {len(self.parts)}")
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)
