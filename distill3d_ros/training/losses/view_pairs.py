"""Pairs of views of one room with known poses, and the pixels of both that show the same spot of a surface.

Letters: N pairs, h w every fourth pixel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.geometry import project, unproject
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.rays import rays_at
from distill3d_ros.training.inputs.augmentation import View
from distill3d_ros.training.losses.primitives import DEPTH_RANGE
from distill3d_ros.training.losses.teacher_primitives import multi_view

STRIDE, FIRST = 4, 2
"""Every fourth pixel is looked at, from the third on."""
SAME_SURFACE = 0.03
"""Relative difference of depth up to which two views show the same spot, and neither is hidden from the other."""
LEAST_SHARED = 0.1
"""Share of the first view's spots that the second must show too, to be a pair."""
TRIES = 4
"""How many other views of the room are looked at for that."""

Posed = tuple[View, FloatArray]
"""A view and (4, 4) the world from its optical frame, metres."""


@dataclass(kw_only=True, slots=True)
class SecondViews:
    """Another view of the room of N of the samples of a batch."""

    of: Tensor  # (N,) numbers of the samples
    images: Tensor  # (N, 1, 3, H, W) in 0..1
    intrinsics: Tensor  # (N, 1, 4)
    up: Tensor  # (N, 1, 3)
    second_from_first: Tensor  # (N, 4, 4) optical frames, metres
    uv: Tensor  # (N, h, w, 2) where the second view shows the spots of the first
    shared: Tensor  # (N, h, w) bool: both see it
    distance: Tensor  # (N, h, w) metres from the second camera

    def to(self, device: torch.device) -> SecondViews:
        return SecondViews(**{f.name: getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)})

    def part(self, first: int, end: int) -> SecondViews | None:
        """Those of the samples ``first`` up to ``end``, numbered from 0; None if there is none."""
        chosen = (self.of >= first) & (self.of < end)
        if not chosen.any():
            return None
        chosen_fields = {f.name: getattr(self, f.name)[chosen] for f in fields(self)}
        return SecondViews(**{**chosen_fields, "of": chosen_fields["of"] - first})


class Rooms:
    """Groups of keys that are views of one room: they differ after the last dash only."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._rooms: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            self._rooms[key.rpartition("-")[0]].append(key)

    def others(self, key: str, rng: np.random.Generator) -> list[str]:
        """A few other views of the room, in random order."""
        others = [other for other in self._rooms[key.rpartition("-")[0]] if other != key]
        return [others[i] for i in rng.permutation(len(others))[:TRIES]]


def second_views(
    firsts: Sequence[Posed | None], others: Sequence[Sequence[str]], read: Callable[[str], Posed | None]
) -> SecondViews | None:
    """The first of the other views of each sample that shares enough with it; None if no sample has one.

    Args:
        firsts: the batch's views with their poses; None where the pose is unknown.
        others: keys of other views of each one's room.
        read: the view of a key at the batch's size, with its pose.
    """
    found: dict[str, list[NDArray[np.generic]]] = defaultdict(list)
    for number, (first, keys) in enumerate(zip(firsts, others, strict=True)):
        for second in (read(key) for key in keys) if first is not None else ():
            if first is None or second is None:
                continue
            pose = np.linalg.inv(second[1]) @ first[1]
            uv, shared, distance = correspondence(first[0], second[0], pose)
            if shared.mean() < LEAST_SHARED:
                continue
            view = second[0]
            k = view.intrinsics
            row = {
                "of": np.int64(number),
                "images": view.image.transpose(2, 0, 1)[None].astype(np.float32) / 255,
                "intrinsics": np.array([[k.fx, k.fy, k.cx, k.cy]], np.float32),
                "up": view.up[None].astype(np.float32),
                "second_from_first": pose.astype(np.float32),
                "uv": uv,
                "shared": shared,
                "distance": distance,
            }
            for name, value in row.items():
                found[name].append(np.asarray(value))
            break
    if not found:
        return None
    return SecondViews(**{name: torch.from_numpy(np.stack(values)) for name, values in found.items()})


def correspondence(
    first: View, second: View, second_from_first: FloatArray
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Correspondence of every fourth pixel of the first view in the second, from the true depth of both.

    Returns:
        (h, w, 2) pixels of the second view, 0 where not shared; (h, w) whether both see the spot; (h, w) its distance
        from the second camera in metres, 1 where not shared.
    """
    spots = np.s_[FIRST::STRIDE, FIRST::STRIDE]
    depth = first.depth[spots]
    points = unproject(first.depth, first.intrinsics)[spots]  # (h, w, 3)
    points = points @ second_from_first[:3, :3].T + second_from_first[:3, 3]
    uv, z = project(points, second.intrinsics)
    height, width = second.depth.shape
    known = (depth > DEPTH_RANGE[0]) & (depth < DEPTH_RANGE[1]) & (z > DEPTH_RANGE[0])
    inside = (uv >= 0).all(-1) & (uv[..., 0] <= width - 1) & (uv[..., 1] <= height - 1)  # False for NaN
    shared = known & inside
    u, v = (np.where(shared, uv[..., i], 0).round().astype(int) for i in range(2))
    second_depth = second.depth[v, u]
    shared &= (second_depth > DEPTH_RANGE[0]) & (np.abs(second_depth - z) < SAME_SURFACE * z)
    uv = np.where(shared[..., None], uv, 0.0).astype(np.float32)
    distance = np.where(shared, np.linalg.norm(points, axis=-1), 1.0).astype(np.float32)
    return uv, shared, distance


def multi_view_loss(first: Perception, second: Perception, views: SecondViews) -> Tensor | None:
    """Distance between the positions of common points by both views; ``second`` is the perception of ``views``."""
    depth = first.depth[views.of, 0, FIRST::STRIDE, FIRST::STRIDE].float()  # (N, h, w)
    rows, columns = (torch.arange(FIRST, n, STRIDE, device=depth.device) for n in first.image_size)
    uv = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).to(depth)  # (h, w, 2)
    from_first = _points(uv.expand(len(depth), -1, -1, -1), depth, first.intrinsics[views.of, 0])
    pose = views.second_from_first
    # Not a matrix product: autocast would round metres to bfloat16's 8 bits.
    from_first = (pose[:, None, None, :3, :3] * from_first[..., None, :]).sum(-1) + pose[:, None, None, :3, 3]
    height, width = second.image_size
    grid = (views.uv + 0.5) / views.uv.new_tensor([width, height]) * 2 - 1
    second_depth = functional.grid_sample(second.depth.float(), grid, padding_mode="border", align_corners=False)[:, 0]
    from_second = _points(views.uv, second_depth, second.intrinsics[:, 0])
    return multi_view(from_first, from_second, views.shared, views.distance)


def _points(uv: Tensor, depth: Tensor, intrinsics: Tensor) -> Tensor:
    """(N, h, w, 3) optical points; ``uv`` (N, h, w, 2), ``depth`` (N, h, w), ``intrinsics`` (N, 4)."""
    rays = rays_at(uv, intrinsics[:, None])
    return torch.cat([rays, torch.ones_like(rays[..., :1])], -1) * depth[..., None]
