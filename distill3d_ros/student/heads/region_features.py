"""Region features: the finer maps and the depth image inside a box's rectangle, sampled on a grid.

A patch of 16 pixels holds a cup and the table under it; the rectangle of the cup, read at a quarter of that size, does
not. Sampling as in RoIAlign (He et al., Mask R-CNN, 2017), one sample a cell.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.encoder.vggt import Mlp
from distill3d_ros.student.outputs import Boxes

_NARROW = 16
"""Channels of a map's samples."""
_MARGIN = 1.15
"""The rectangle is larger than the box by this factor, so that it includes its edges."""
_LEAST_PIXELS = 6.0
"""Least half side of a rectangle."""


def rectangles(boxes: Boxes, intrinsics: Tensor) -> Tensor:
    """(B, N, 4) left, top, right, bottom in pixels of each box's own frame: about its extent in the image. No gradient.

    The visible width of a turned box lies between its sides: their root mean square approximates it.

    Args:
        intrinsics: (B, N, 4) fx, fy, cx, cy.
    """
    size = boxes.log_size.detach().float().exp()  # (B, N, 3) width, height, depth
    far = boxes.depth.detach().float().clamp_min(0.1)
    wide = ((size[..., 0].square() + size[..., 2].square()) / 2).sqrt()
    high = (size[..., 1].square() + 0.1 * wide.square()).sqrt()
    half = torch.stack([wide, high], -1) * intrinsics[..., :2] / far[..., None] * (_MARGIN / 2)
    half = half.clamp(_LEAST_PIXELS, 1e3)
    center = boxes.center_uv.detach().float()
    return torch.cat([center - half, center + half], -1)


class RegionFeatures(nn.Module):
    """A token a box, from a grid of ``side`` x ``side`` samples in its rectangle."""

    def __init__(self, side: int, dim: int, hidden: int, channels: dict[int, int]) -> None:
        """``channels``: stride -> channels of the patch embedding's finer maps."""
        super().__init__()
        self.side, self.strides = side, tuple(sorted(channels))
        self.norms = nn.ModuleDict({str(s): nn.LayerNorm(channels[s]) for s in self.strides})
        self.narrow = nn.ModuleDict({str(s): nn.Linear(channels[s], _NARROW) for s in self.strides})
        self.mlp = Mlp(side * side * (_NARROW * len(self.strides) + 2), hidden, dim)
        nn.init.zeros_(self.mlp.fc2.weight)  # adds nothing at initialisation
        nn.init.zeros_(self.mlp.fc2.bias)

    def forward(
        self, corners: Tensor, frame: Tensor, fine: dict[int, Tensor], log_depth: Tensor, log_center: Tensor
    ) -> Tensor:
        """(B, N, D)

        Args:
            corners: (B, N, 4) from ``rectangles``.
            frame: (B, N) the frame of each box.
            fine: stride -> (B S, c, H / stride, W / stride).
            log_depth: (B, S, h, w) of the whole images.
            log_center: (B, N) log depth of the boxes' centres, to which depth is compared.
        """
        b, s = log_depth.shape[:2]
        steps = (torch.arange(self.side, device=corners.device) + 0.5) / self.side
        v, u = torch.meshgrid(steps, steps, indexing="ij")
        at = torch.stack([u, v], -1).flatten(0, 1)  # (side side, 2) in 0..1 of the rectangle
        points = corners[:, :, None, :2] + at * (corners[..., 2:] - corners[..., :2])[:, :, None]  # (B, N, K, 2)
        height, width = (n * self.strides[0] for n in fine[self.strides[0]].shape[-2:])
        scale = points.new_tensor([width, height])
        inside = ((points > 0) & (points < scale)).all(-1)  # (B, N, K)
        grid = 2 * (points + 0.5) / scale - 1
        parts = []
        for stride in self.strides:
            sampled = _sample(fine[stride].unflatten(0, (b, s)).float(), grid, frame)
            parts.append(self.narrow[str(stride)](self.norms[str(stride)](sampled)))
        nearer = _sample(log_depth[:, :, None].detach().float(), grid, frame) - log_center.detach()[..., None, None]
        parts += [nearer.clamp(-2.0, 2.0), inside[..., None].float()]
        return self.mlp((torch.cat(parts, -1) * inside[..., None]).flatten(2))


def _sample(maps: Tensor, grid: Tensor, frame: Tensor) -> Tensor:
    """(B, N, K, c) bilinear samples of ``maps`` (B, S, c, h, w), each box in its frame; ``grid`` (B, N, K, 2) -1..1."""
    out = None
    for s in range(maps.shape[1]):
        found = functional.grid_sample(maps[:, s], grid, padding_mode="border", align_corners=False)
        found = found.permute(0, 2, 3, 1)
        out = found if out is None else torch.where((frame == s)[..., None, None], found, out)
    assert out is not None
    return out
