"""VGGT's pose encoding of camera extrinsics and fields of view.

A pose encoding has 9 numbers: translation (3), quaternion x y z w (4, of any length but zero), vertical and horizontal
field of view in radians. Extrinsics [R | t] take world points to the camera's optical frame (x right, y down, z
forward).
"""

from __future__ import annotations

import torch
from torch import Tensor

NARROWEST = 1e-3
"""Radians: a field of view of zero would be an infinite focal length."""


def rotation_from_quaternion(quaternion: Tensor) -> Tensor:
    """(..., 4) x y z w of any length -> (..., 3, 3)."""
    x, y, z, w = quaternion.unbind(-1)
    s = 2.0 / quaternion.square().sum(-1).clamp_min(torch.finfo(quaternion.dtype).tiny)
    rows = [
        1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w),
        s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w),
        s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def quaternion_from_rotation(rotation: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 4) x y z w, unit, w not negative.

    Of four equivalent formulas the one with the largest divisor is taken (Shepperd, J. Guidance and Control, 1978).
    """
    m = rotation
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # Four times the square of each component.
    squares = torch.stack([1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz, 1 + xx + yy + zz], -1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    candidates = torch.stack(
        [
            torch.stack([squares[..., 0], xy, xz, a], -1),
            torch.stack([xy, squares[..., 1], yz, b], -1),
            torch.stack([xz, yz, squares[..., 2], c], -1),
            torch.stack([a, b, c, squares[..., 3]], -1),
        ],
        -2,
    )  # (..., 4, 4): each row is the quaternion times 4 |its own pivot|
    pivot = squares.argmax(-1)
    chosen = candidates.gather(-2, pivot[..., None, None].expand(*pivot.shape, 1, 4)).squeeze(-2)
    quaternion = chosen / (2.0 * squares.gather(-1, pivot[..., None]).clamp_min(0.1).sqrt())
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def decode_poses(encoding: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(..., 9) and (height, width) in pixels -> extrinsics (..., 3, 4), intrinsics (..., 3, 3), centred."""
    rotation = rotation_from_quaternion(encoding[..., 3:7])
    extrinsics = torch.cat([rotation, encoding[..., :3, None]], -1)
    half = encoding.new_tensor(size) / 2  # height, width
    focal = half / (encoding[..., 7:9].clamp_min(NARROWEST) / 2).tan()  # fy, fx
    intrinsics = encoding.new_zeros(*encoding.shape[:-1], 3, 3)
    intrinsics[..., 0, 0], intrinsics[..., 1, 1] = focal[..., 1], focal[..., 0]
    intrinsics[..., 0, 2], intrinsics[..., 1, 2], intrinsics[..., 2, 2] = half[1], half[0], 1.0
    return extrinsics, intrinsics


def encode_poses(extrinsics: Tensor, intrinsics: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of ``decode_poses``; the principal point is not kept."""
    half = extrinsics.new_tensor(size) / 2
    fov = 2 * torch.stack(
        [torch.atan(half[0] / intrinsics[..., 1, 1]), torch.atan(half[1] / intrinsics[..., 0, 0])], -1
    )
    return torch.cat([extrinsics[..., 3], quaternion_from_rotation(extrinsics[..., :3]), fov], -1)


def first_from_each(encoding: Tensor, scale: Tensor) -> Tensor:
    """(B, S, 9) pose encodings -> (B, S, 4, 4) the first camera's optical frame from each one's, in metres.

    ``scale`` (B,): metres in the unit of the encodings' translations.
    """
    rotation = rotation_from_quaternion(encoding[..., 3:7])
    world_from_each = inverse_poses(torch.cat([rotation, encoding[..., :3, None] * scale[:, None, None, None]], -1))
    return inverse_poses(world_from_each[:, :1]) @ world_from_each


def inverse_poses(extrinsics: Tensor) -> Tensor:
    """(..., 3 or 4, 4) rigid motions -> (..., 4, 4) their inverses."""
    transposed = extrinsics[..., :3, :3].transpose(-1, -2)
    inverse = torch.zeros(*extrinsics.shape[:-2], 4, 4, dtype=extrinsics.dtype, device=extrinsics.device)
    inverse[..., :3, :3] = transposed
    inverse[..., :3, 3:] = -transposed @ extrinsics[..., :3, 3:]
    inverse[..., 3, 3] = 1.0
    return inverse


def points_from_depth(depth: Tensor, extrinsics: Tensor, intrinsics: Tensor) -> Tensor:
    """(..., H, W) depth along the optical axis -> (..., H, W, 3) world points; pixel centres are integers."""
    height, width = depth.shape[-2:]
    v, u = torch.meshgrid(
        torch.arange(height, dtype=depth.dtype, device=depth.device),
        torch.arange(width, dtype=depth.dtype, device=depth.device),
        indexing="ij",
    )
    fx, fy, cx, cy = (intrinsics[..., i, j, None, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    camera = torch.stack([(u - cx) * depth / fx, (v - cy) * depth / fy, depth], -1)
    offset = camera - extrinsics[..., None, None, :3, 3]
    return torch.einsum("...ji,...hwj->...hwi", extrinsics[..., :3, :3], offset)
