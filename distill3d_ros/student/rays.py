"""Pixel rays, the level frame, and the checks of the student's inputs.

Pixel centres are integers and the intrinsics are fx, fy, cx, cy in pixels; the optical frame is x right, y down, z
forward; the level frame has the same origin, y along gravity and z forward and horizontal.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from distill3d_ros.student.config import MAX_VIEWS


def check_views(
    images: Tensor, intrinsics: Tensor, up: Tensor | None, poses: Tensor | None = None, *, multiple: int = 32
) -> None:
    """Raises ValueError that names the invalid input of the student."""
    if images.ndim != 5 or images.shape[2] != 3 or not images.is_floating_point():
        raise ValueError(f"images must be (B, S, 3, H, W) floats in 0..1. Got {tuple(images.shape)} {images.dtype}")
    height, width = images.shape[-2:]
    if height % multiple or width % multiple or not height or not width:
        raise ValueError(
            f"images must have a height and width that are multiples of {multiple}; student/preprocess.py resizes "
            f"to such a size. Got {width}x{height}"
        )
    views = tuple(images.shape[:2])
    if not 1 <= views[1] <= MAX_VIEWS:
        raise ValueError(f"images must show a scene in 1 to {MAX_VIEWS} frames. Got {views[1]} frames")
    if tuple(intrinsics.shape) != (*views, 4):
        raise ValueError(
            f"intrinsics must be {(*views, 4)}: fx, fy, cx, cy of each frame. Got {tuple(intrinsics.shape)}"
        )
    if not torch.isfinite(intrinsics).all() or (intrinsics[..., :2] <= 0).any():
        bad = intrinsics.reshape(-1, 4)
        bad = bad[~(torch.isfinite(bad).all(-1) & (bad[:, :2] > 0).all(-1))][0]
        raise ValueError(f"intrinsics must be finite with positive focal lengths. Got fx, fy, cx, cy = {bad.tolist()}")
    if not torch.isfinite(images).all():
        raise ValueError("images must be finite. Got NaN or infinity in them")
    if up is not None:
        if tuple(up.shape) != (*views, 3):
            raise ValueError(f"up must be {(*views, 3)}: a unit vector of each frame. Got {tuple(up.shape)}")
        norms = up.norm(dim=-1)
        if not ((norms > 0.99) & (norms < 1.01)).all():  # also false for NaN
            raise ValueError(f"up must hold unit vectors. Got lengths {norms.flatten().tolist()}")
    if poses is not None:
        _check_poses(poses, views)


def check_depth(depth: Tensor | None, images: Tensor, *, taken: bool) -> None:
    """Raises ValueError unless ``depth`` is present exactly if the student takes it, in the shape of ``images``."""
    if depth is None:
        if taken:
            raise ValueError(
                "depth must be given: this student (depth.kind 'measured') needs the depth of every frame. Got None"
            )
        return
    if not taken:
        raise ValueError(
            "depth must be None: this student predicts depth itself. Only one with depth.kind 'measured', such as "
            f"preset 'privileged', takes it. Got {tuple(depth.shape)}"
        )
    views = (*images.shape[:2], *images.shape[-2:])
    if tuple(depth.shape) != views or not depth.is_floating_point():
        raise ValueError(
            f"depth must be {views} floats: metres at every pixel of each frame, 0 where unknown. "
            f"Got {tuple(depth.shape)} {depth.dtype}"
        )


def _check_poses(poses: Tensor, views: tuple[int, ...]) -> None:
    if tuple(poses.shape) != (*views, 4, 4):
        raise ValueError(
            f"poses must be {(*views, 4, 4)}: the first camera's optical frame from each frame's. "
            f"Got {tuple(poses.shape)}"
        )
    rotation = poses[..., :3, :3].double()
    error = (rotation @ rotation.transpose(-1, -2) - torch.eye(3, dtype=torch.float64, device=poses.device)).abs()
    if not (error < 1e-2).all() or not torch.isfinite(poses).all():
        raise ValueError("poses must be finite rigid motions. Got a rotation whose axes are no unit vectors, or NaN")
    identity = torch.eye(4, dtype=poses.dtype, device=poses.device)
    if not torch.allclose(poses[:, 0], identity.expand_as(poses[:, 0]), atol=1e-3):
        raise ValueError(f"the first of the poses must be the identity. Got {poses[0, 0].tolist()}")


def patch_centers(grid: tuple[int, int], patch: int, like: Tensor) -> Tensor:
    """(P, 2) pixel (u, v) of each patch's centre, row-major."""
    v, u = (torch.arange(n, device=like.device, dtype=like.dtype) * patch + (patch - 1) / 2 for n in grid)
    return torch.stack(torch.meshgrid(u, v, indexing="xy"), -1).reshape(-1, 2)


def rays_at(uv: Tensor, intrinsics: Tensor) -> Tensor:
    """(..., n, 2) x and y of the ray with z = 1 through pixels ``uv`` (..., n, 2); ``intrinsics`` (..., 4)."""
    return (uv - intrinsics[..., None, 2:]) / intrinsics[..., None, :2]


def level_from_optical(up: Tensor) -> Tensor:
    """(B, 3, 3) rotation from the optical to the level frame; ``up`` (B, 3) unit, optical frame."""
    y = -up
    forward = torch.zeros_like(up)
    forward[..., 2] = 1.0
    image_up = torch.zeros_like(up)
    image_up[..., 1] = -1.0
    # A camera pointing straight down has no horizontal forward: the image's upper edge serves instead.
    forward = torch.where((y[..., 2:].abs() > 0.9999), image_up, forward)
    z = functional.normalize(forward - (forward * y).sum(-1, keepdim=True) * y, dim=-1)
    return torch.stack([torch.linalg.cross(y, z), y, z], -2)


def level_points(
    depth: Tensor,
    intrinsics: Tensor,
    grid: tuple[int, int],
    level: Tensor,
    *,
    patch: int = 16,
    poses: Tensor | None = None,
) -> Tensor:
    """(B, S, P, 3) metres: the surface point of each patch, in the first camera's level frame. ``depth`` (B, S, P);
    ``poses`` (B, S, 3 or 4, 4), first camera from each; without them all cameras are taken to be the first."""
    rays = rays_at(patch_centers(grid, patch, depth), intrinsics)  # (B, S, P, 2)
    points = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) * depth[..., None]
    # Not matrix products: autocast would round metres to bfloat16's 8 bits.
    if poses is not None:
        points = (poses[:, :, None, :3, :3] * points[..., None, :]).sum(-1) + poses[:, :, None, :3, 3]
    return (level[:, None, None] * points[..., None, :]).sum(-1)


def fourier(x: Tensor, octaves: int, lowest: float) -> Tensor:
    """(..., n) -> (..., n + 2 n octaves): values, their sines and cosines at lowest, 2 lowest, ... cycles a unit."""
    frequencies = 2 * torch.pi * lowest * 2.0 ** torch.arange(octaves, device=x.device, dtype=x.dtype)
    angles = (x[..., None] * frequencies).flatten(-2)
    return torch.cat([x, angles.sin(), angles.cos()], -1)


def lens_features(intrinsics: Tensor, image_size: tuple[int, int]) -> Tensor:
    """(..., 6) focal lengths (logarithm, inverse) and principal point, relative to the image size."""
    height, width = image_size
    size = intrinsics.new_tensor([width, height])
    focal, center = intrinsics[..., :2] / size, (intrinsics[..., 2:] + 0.5) / size - 0.5
    return torch.cat([focal.log(), 1.0 / focal - 1.0, center / focal], -1)
