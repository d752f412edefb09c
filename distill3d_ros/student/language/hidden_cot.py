"""The latent scratchpad: K tokens T1..TK that the language model can compute in and that are never decoded."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distill3d_ros.student.config import HiddenCotConfig


class HiddenCot(nn.Module):
    """Embeddings of the thoughts. ``zero`` and ``random_frozen`` cost the same compute as ``learned``, untrained.

    ``recurrent`` adds the state before each thought, through a learned map (as Coconut does, Hao et al. 2024; the
    thoughts are read one after the other, K times as slow).
    """

    def __init__(self, config: HiddenCotConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        start = torch.zeros(config.tokens, dim) if config.mode == "zero" else torch.randn(config.tokens, dim) * 0.02
        self.tokens = nn.Parameter(start, requires_grad=config.mode in ("learned", "recurrent"))  # (K, E)
        self.feed = nn.Linear(dim, dim, bias=False) if config.mode == "recurrent" and config.tokens else None

    @property
    def before_question(self) -> bool:
        return self.config.position == "before_question"

    def forward(self, index: Tensor) -> Tensor:
        """(...,) which thought -> (..., E)"""
        return self.tokens[index]
