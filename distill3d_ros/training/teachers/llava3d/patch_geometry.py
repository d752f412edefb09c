"""World points of the patches of posed RGB-D views, and their voxels.

Always float32 on the CPU, whatever the network's precision: in bfloat16 points move by centimetres and voxels change,
and a GPU adds in any order. Letters: ... leading axes; H, W depth image; h, w patches; N points; C channels; M voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor

VOXEL_SIZE = 0.2
"""Metres."""
MOST_VOXELS = 2560


def patch_points(depth: Tensor, world_from_camera: Tensor, intrinsics: Tensor, grid: tuple[int, int]) -> Tensor:
    """World points (..., h, w, 3) in metres of the top-left pixel of each patch.

    A pixel (u, v) counts as the point (u, v), without half a pixel. Depth 0, which is unknown, puts a patch at the
    camera's centre, as in training.

    Args:
        depth: (..., H, W) metres.
        world_from_camera: (..., 4, 4) of the optical frame.
        intrinsics: (..., 4, 4) pinhole matrices for the depth image, pixels.
        grid: (h, w) patches.
    """
    height, width = depth.shape[-2:]
    rows = torch.arange(grid[0]) * height // grid[0]
    columns = torch.arange(grid[1]) * width // grid[1]
    z = depth.float()[..., rows[:, None], columns]
    k = intrinsics.float()[..., None, None]  # (..., 4, 4, 1, 1)
    x = (columns - k[..., 0, 2, :, :]) * z / k[..., 0, 0, :, :]
    y = (rows[:, None] - k[..., 1, 2, :, :]) * z / k[..., 1, 1, :, :]
    camera = torch.stack([x, y, z, torch.ones_like(z)], -1)  # (..., h, w, 4)
    world = torch.einsum("...ij,...hwj->...hwi", world_from_camera.float(), camera)
    return world[..., :3] / world[..., 3:]


def voxel_ids(points: Tensor, *, size: float = VOXEL_SIZE) -> Tensor:
    """(N,) the voxel of each point (N, 3): numbered from 0 in the order of their x, then y, then z.

    Voxels are centred on multiples of ``size``; a point half-way goes to the even one. Computed in the precision of the
    points, which ``patch_points`` gives in float32.
    """
    if not len(points):
        raise ValueError("points must have at least one point. Got none")
    cells = torch.round(points / size).long()
    cells = cells - cells.amin(0)
    extent = cells.amax(0) + 1
    keys = (cells[:, 0] * extent[1] + cells[:, 1]) * extent[2] + cells[:, 2]
    return torch.unique(keys, return_inverse=True)[1]


def voxel_means(features: Tensor, ids: Tensor, weights: Tensor | None = None) -> Tensor:
    """(M, C) float32 mean of the features (N, C) in each voxel; ``weights`` (N,) counts how often each is there."""
    weights = torch.ones(len(ids)) if weights is None else weights.float()
    count = int(ids.max()) + 1
    sums = torch.zeros(count, features.shape[-1]).index_add_(0, ids, features.float() * weights[:, None])
    return sums / torch.zeros(count).index_add_(0, ids, weights)[:, None]


def at_most(tokens: Tensor, limit: int = MOST_VOXELS) -> Tensor:
    """The tokens (M, C), or ``limit`` of them in random order, as the network was trained. Always the same ones."""
    if len(tokens) <= limit:
        return tokens
    return tokens[torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))[:limit]]
