"""Semantic segmentation at stride 8: the classes of all pixels, from the patch tokens and a finer map.

An auxiliary task: it teaches the encoder names where there are masks and no boxes, and is left out of inference.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import SegmentationConfig
from distill3d_ros.student.encoder.vggt import EncoderFeatures
from distill3d_ros.student.heads.depth import Lateral, ResidualUnit, enlarge


class SegmentationHead(nn.Module):
    """Fuses strides 16 and 8; one logit a class and one for no category."""

    def __init__(self, config: SegmentationConfig, *, width: int, classes: int, channels: dict[int, int]) -> None:
        """``width``: of the encoder's tokens; ``channels``: stride -> those of the patch embedding's finer maps."""
        super().__init__()
        self.project = nn.Linear(width, config.dim)
        self.lateral_8 = Lateral(channels[8], config.dim)
        self.refine_8 = ResidualUnit(config.dim)
        self.output = nn.Conv2d(config.dim, classes + 1, 1)
        nn.init.normal_(self.output.weight, std=0.01)

    def forward(self, features: EncoderFeatures) -> Tensor:
        """(B, S, C + 1, H/8, W/8) logits; letters as in outputs.py."""
        b, s = features.patches.shape[:2]
        x = self.project(features.patches).flatten(0, 1).transpose(1, 2).unflatten(2, features.grid)
        x = enlarge(x.contiguous(memory_format=torch.channels_last), features.fine[8])
        x = self.refine_8(x + self.lateral_8(features.fine[8]))
        return self.output(functional.relu(x)).float().unflatten(0, (b, s))
