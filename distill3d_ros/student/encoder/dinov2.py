"""DINOv2 with registers as patch embedding (Oquab et al. 2023, Darcet et al. 2023), as VGGT uses it.

The network is transformers'; here are the normalisation of the pixels and the choice of its output.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from distill3d_ros.student.config import EncoderConfig
from distill3d_ros.student.encoder.patch_features import PatchFeatures

PUBLIC_WEIGHTS = "facebook/dinov2-with-registers-large"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the ImageNet pixels, red, green, blue."""


class Dinov2(nn.Module):
    """Patch tokens of a vision transformer; there are no finer maps."""

    channels: ClassVar[dict[int, int]] = {}
    mean: Tensor
    std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        dino = config.dinov2
        self.patch_size = self.multiple = dino.patch_size
        self.first_patch = 1 + dino.registers
        self.model = Dinov2WithRegistersModel(
            Dinov2WithRegistersConfig(
                hidden_size=config.dim,
                num_hidden_layers=dino.layers,
                num_attention_heads=dino.heads,
                num_register_tokens=dino.registers,
                image_size=dino.image_size,
                patch_size=dino.patch_size,
                layer_norm_eps=1e-6,
                hidden_act="gelu",
            )
        )
        self.model.embeddings.mask_token.requires_grad_(False)  # of DINOv2's own training
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_STD)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> PatchFeatures:
        """``images`` (BS, 3, H, W) in 0..1, H and W multiples of the patch size."""
        output = self.model((images - self.mean) / self.std).last_hidden_state
        grid = (images.shape[-2] // self.patch_size, images.shape[-1] // self.patch_size)
        return PatchFeatures(tokens=output[:, self.first_patch :], fine={}, grid=grid)

    def load_pretrained(self, source: str = PUBLIC_WEIGHTS) -> None:
        """Loads the weights of a folder or hub id of transformers' format.

        Raises:
            OSError: there is no such model, or no network to fetch it.
            RuntimeError: it is one of another size.
        """
        self.model.load_state_dict(Dinov2WithRegistersModel.from_pretrained(source).state_dict())
