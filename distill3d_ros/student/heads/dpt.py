"""VGGT's dense head: a dense prediction transformer (Ranftl et al., ICCV 2021) over four levels of tokens.

The names of the parameters are VGGT's, so that its public weights can be mapped one to one. Letters as in outputs.py;
N = B S frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

FRAMES_AT_ONCE = 8
"""More frames are taken in turns, to bound the memory."""
_GRID_STRENGTH = 0.1


def position_grid(rows: int, columns: int, channels: int, *, aspect: float, device: torch.device) -> Tensor:
    """(channels, rows, columns) sines and cosines of where a cell lies in an image of ``aspect`` = width / height.

    The first half of the channels tells the column, the second the row; the image's half diagonal is 1. Computed in
    float64.
    """
    diagonal = math.hypot(aspect, 1.0)
    halves = []
    for count, extent in ((columns, aspect / diagonal), (rows, 1.0 / diagonal)):
        edge = extent * (count - 1) / count
        place = torch.linspace(-edge, edge, count, dtype=torch.float64, device=device)
        frequency = 100.0 ** (-torch.arange(channels // 4, dtype=torch.float64, device=device) / (channels // 4))
        angle = place[:, None] * frequency
        halves.append(torch.cat([angle.sin(), angle.cos()], -1).float())  # (count, channels / 2)
    u = halves[0][None].expand(rows, -1, -1)
    v = halves[1][:, None].expand(-1, columns, -1)
    return torch.cat([u, v], -1).permute(2, 0, 1)


class _ResidualUnit(nn.Module):
    """Two 3x3 convolutions. The shortcut carries the rectified input, as the public weights were trained."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(x)
        return x + self.conv2(functional.relu(self.conv1(x)))


class _Fusion(nn.Module):
    """Adds a level to what comes from the coarser ones, and enlarges the sum."""

    def __init__(self, features: int, *, coarsest: bool) -> None:
        super().__init__()
        if not coarsest:
            self.resConfUnit1 = _ResidualUnit(features)
        self.resConfUnit2 = _ResidualUnit(features)
        self.out_conv = nn.Conv2d(features, features, 1)

    def forward(self, level: Tensor, coarser: Tensor | None, size: tuple[int, int]) -> Tensor:
        x = level if coarser is None else coarser + self.resConfUnit1(level)
        return self.out_conv(_resize(self.resConfUnit2(x), size))


class _Scratch(nn.Module):
    """The convolutions after the tokens have become maps."""

    def __init__(self, features: int, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        for number, width in enumerate(channels, start=1):
            self.add_module(f"layer{number}_rn", nn.Conv2d(width, features, 3, padding=1, bias=False))
            self.add_module(f"refinenet{number}", _Fusion(features, coarsest=number == len(channels)))
        self.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(features // 2, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, outputs, 1)
        )

    def fuse(self, maps: Sequence[Tensor]) -> Tensor:
        """Finest first -> one map, twice the size of the finest."""
        levels = [self.get_submodule(f"layer{n}_rn")(x) for n, x in enumerate(maps, start=1)]
        height, width = levels[0].shape[-2:]
        sizes = [(2 * height, 2 * width), *((x.shape[-2], x.shape[-1]) for x in levels[:-1])]
        x = None
        for number in range(len(levels), 0, -1):
            x = self.get_submodule(f"refinenet{number}")(levels[number - 1], x, sizes[number - 1])
        assert x is not None
        return x


class DptHead(nn.Module):
    """Four levels of patch tokens to a map of the image's size.

    Args:
        dim: channels of a token.
        features: channels of the fusion.
        channels: channels of each of the four levels before the fusion, finest first.
        outputs: channels of the result.
    """

    def __init__(
        self,
        dim: int,
        *,
        features: int = 256,
        channels: tuple[int, ...] = (256, 512, 1024, 1024),
        outputs: int = 2,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.projects = nn.ModuleList(nn.Conv2d(dim, width, 1) for width in channels)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            ]
        )
        self.scratch = _Scratch(features, channels, outputs)

    def forward(self, levels: Sequence[Tensor], grid: tuple[int, int], patch_size: int) -> Tensor:
        """``levels`` four (N, P, D), patch tokens alone -> (N, outputs, H, W), before any activation."""
        if len(levels) != len(self.projects):
            raise ValueError(f"the dense head reads {len(self.projects)} levels of tokens. Got {len(levels)}")
        parts = [
            self._some([x[start : start + FRAMES_AT_ONCE] for x in levels], grid, patch_size)
            for start in range(0, len(levels[0]), FRAMES_AT_ONCE)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _some(self, levels: Sequence[Tensor], grid: tuple[int, int], patch_size: int) -> Tensor:
        height, width = grid[0] * patch_size, grid[1] * patch_size
        aspect = width / height
        maps = []
        for x, project, resize in zip(levels, self.projects, self.resize_layers, strict=True):
            x = project(self.norm(x).transpose(1, 2).unflatten(2, grid))
            maps.append(resize(_placed(x, aspect)))
        x = _resize(self.scratch.output_conv1(self.scratch.fuse(maps)), (height, width))
        return self.scratch.output_conv2(_placed(x, aspect))


def _placed(x: Tensor, aspect: float) -> Tensor:
    grid = position_grid(x.shape[2], x.shape[3], x.shape[1], aspect=aspect, device=x.device)
    return x + _GRID_STRENGTH * grid.to(x.dtype)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)
