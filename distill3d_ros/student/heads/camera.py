"""Camera head: up vector and field of view from the camera token."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill3d_ros.student.encoder.vggt import Mlp
from distill3d_ros.student.rays import lens_features


class CameraHead(nn.Module):
    """Up vector and field of view of each frame.

    The field of view is read from the image alone (a check on wrong intrinsics); the up vector also depends on
    the intrinsics, since a horizon at a given pixel means another tilt with another lens.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fov = Mlp(dim, dim // 2, 2)
        self.lens = nn.Linear(6, dim)
        self.up = Mlp(dim, dim // 2, 3)

    def forward(self, camera: Tensor, intrinsics: Tensor, image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Camera tokens (B, S, D) -> up (B, S, 3) unit, optical frame; fov (B, S, 2) vertical, horizontal, radians."""
        with torch.autocast(camera.device.type, enabled=False):
            camera = camera.float()
            fov = torch.pi * torch.sigmoid(self.fov(camera) - 0.8)  # about 55 degrees to start from
            up = self.up(camera + self.lens(lens_features(intrinsics, image_size)))
            level = up.new_tensor([0.0, -1.0, 0.0])
            return functional.normalize(level + 0.5 * up, dim=-1), fov
