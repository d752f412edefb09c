"""Embedding of a position in the world, which LLaVA-3D adds to a patch and reads in place of a clicked point."""

from __future__ import annotations

from torch import Tensor, nn


class PositionEmbedding(nn.Module):
    """Points (..., 3) in metres to (..., D): linear, LayerNorm, ReLU, linear. The names are the checkpoint's."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.position_embedding_head = nn.Sequential(
            nn.Linear(3, dim), nn.LayerNorm(dim), nn.ReLU(), nn.Linear(dim, dim)
        )

    def forward(self, points: Tensor) -> Tensor:
        return self.position_embedding_head(points)
