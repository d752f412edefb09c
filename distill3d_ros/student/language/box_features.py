"""Geometric features of boxes and of pairs of boxes, input of the language model.

Boxes stand upright in the level frame (y down); (B, N, 3) centres and sizes in metres, (B, N) yaws.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distill3d_ros.student.outputs import ObjectSet
from distill3d_ros.student.rays import fourier

_OCTAVES = 5
"""Of the Fourier features of lengths: the finest has a period of half a unit of the logarithm, to resolve 25 %."""
_WAVES = 1 + 2 * _OCTAVES
OBJECT_FEATURES = 27 + 7 * 9 + 3 * _WAVES
PAIR_FEATURES = 32 + _WAVES
GAP = 7
"""Index of the pair feature that is the distance between the surfaces, metres."""


def object_features(objects: ObjectSet) -> Tensor:
    """(B, N, OBJECT_FEATURES)"""
    center, size = objects.center, objects.size.clamp_min(1e-3)
    x, y, z = center.unbind(-1)
    distance, ground = center.norm(dim=-1).clamp_min(0.05), center[..., [0, 2]].norm(dim=-1).clamp_min(0.05)
    top, bottom = y - size[..., 1] / 2, y + size[..., 1] / 2
    surface = _surface_distance(objects)
    sin, cos = objects.yaw.sin(), objects.yaw.cos()
    along_x, along_z = _extents(objects)
    waves = torch.stack([x, y, z, top, bottom, distance.log(), surface], -1)
    plain = torch.stack(
        [
            ground / 3,
            x / ground,
            z / ground,
            y / distance,
            distance.log(),
            surface.clamp_min(0.02).log(),
            *size.unbind(-1),
            *size.log().unbind(-1),
            size.log().sum(-1),
            size.amax(-1).log(),
            sin,
            cos,
            2 * sin * cos,
            cos * cos - sin * sin,
            along_x,
            along_z,
            (x - along_x) / z.clamp_min(0.3),
            (x + along_x) / z.clamp_min(0.3),
            top / ground,
            bottom / ground,
            objects.score,
            objects.class_probs.amax(-1),
            objects.class_probs.sum(-1),
        ],
        -1,
    )
    logs = size.log()
    lengths = torch.stack([logs[..., 1], torch.maximum(logs[..., 0], logs[..., 2]), logs.sum(-1)], -1)
    return torch.cat([plain.clamp(-10, 10), fourier(waves.clamp(-12, 12), 4, 0.125), _length_features(lengths)], -1)


def pair_features(objects: ObjectSet) -> Tensor:
    """(B, N, N, PAIR_FEATURES): second object (axis 2) relative to the first (axis 1)."""
    size = objects.size.clamp_min(1e-3)
    delta = objects.center[:, None] - objects.center[:, :, None]  # (B, N, N, 3)
    dx, dy, dz = delta.unbind(-1)
    ground = _ground_gap(objects, delta)
    height = size[..., 1]
    vertical = dy.abs() - (height[:, :, None] + height[:, None]) / 2
    gap = (ground.clamp_min(0) ** 2 + vertical.clamp_min(0) ** 2 + 1e-6).sqrt()
    y = objects.center[..., 1]
    top, bottom = y - height / 2, y + height / 2
    distance = objects.center.norm(dim=-1).clamp_min(0.05)
    surface = _surface_distance(objects)
    azimuth = torch.atan2(objects.center[..., 0], objects.center[..., 2])
    turn = _difference(azimuth)
    along_x, _ = _extents(objects)
    logs = size.log()
    on, under = bottom[:, None] - top[:, :, None], bottom[:, :, None] - top[:, None]
    features = torch.stack(
        [
            dx,
            dy,
            dz,
            torch.tanh(dx / 0.3),
            torch.tanh(dy / 0.15),
            torch.tanh(dz / 0.3),
            delta.norm(dim=-1),
            gap,
            torch.tanh(gap / 0.05),
            torch.tanh(gap / 0.2),
            torch.tanh(gap / 0.6),
            torch.tanh(ground / 0.1),
            torch.tanh(vertical / 0.1),
            ground,
            vertical,
            torch.tanh(on / 0.1),
            torch.tanh(under / 0.1),
            on,
            under,
            _difference(distance.log()),
            torch.tanh(_difference(distance) / 0.2),
            torch.tanh(_difference(surface) / 0.2),
            turn.sin(),
            turn.cos(),
            torch.tanh(turn / 0.1),
            _difference(logs.sum(-1)),
            _difference(logs[..., 1]),
            _difference(torch.maximum(logs[..., 0], logs[..., 2])),
            _difference(along_x),
            torch.tanh(_difference(logs.sum(-1))),
            torch.tanh(_difference(height) / 0.1),
            torch.tanh(_difference(along_x) / 0.1),
        ],
        -1,
    )
    return torch.cat([features.clamp(-10, 10), _length_features(gap.clamp_min(0.02).log()[..., None])], -1)


def _length_features(logarithms: Tensor) -> Tensor:
    """(..., n) -> (..., n _WAVES) Fourier features of logarithms of lengths, from which words for sizes follow."""
    return fourier(logarithms.clamp(-12, 12), _OCTAVES, 0.125)


def _difference(x: Tensor) -> Tensor:
    """(B, N) -> (B, N, N): of the second object minus of the first."""
    return x[:, None] - x[:, :, None]


def _axes(objects: ObjectSet) -> Tensor:
    """(B, N, 2, 2): own x and own z as (x, z) directions on the ground; see scene.objects.Box3D."""
    sin, cos = objects.yaw.sin(), objects.yaw.cos()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def _extents(objects: ObjectSet) -> tuple[Tensor, Tensor]:
    """Half extents along the level frame's x and z."""
    half = objects.size[..., [0, 2]] / 2
    reach = (_axes(objects).abs() * half[..., None]).sum(-2)
    return reach[..., 0], reach[..., 1]


def _surface_distance(objects: ObjectSet) -> Tensor:
    """(B, N) from the camera to the nearest point of the box."""
    ground = torch.einsum("bnak,bnk->bna", _axes(objects), objects.center[..., [0, 2]])
    own = torch.stack([ground[..., 0], objects.center[..., 1], ground[..., 1]], -1)
    outside = (own.abs() - objects.size / 2).clamp_min(0)
    return (outside.square().sum(-1) + 1e-6).sqrt()


def _ground_gap(objects: ObjectSet, delta: Tensor) -> Tensor:
    """(B, N, N) largest separation of the footprints over their four edge directions; negative where they overlap."""
    axes, half = _axes(objects), objects.size[..., [0, 2]] / 2
    shift = delta[..., [0, 2]]  # (B, N, N, 2)
    # Reach of the second's footprint along the first's axes: sum of |axis_first . axis_second| half_second.
    cosines = torch.einsum("biak,bjck->bijac", axes, axes).abs()  # (B, N, N, 2, 2)
    first = torch.einsum("bijk,biak->bija", shift, axes).abs() - half[:, :, None]
    first = first - torch.einsum("bijac,bjc->bija", cosines, half)
    second = torch.einsum("bijk,bjak->bija", shift, axes).abs() - half[:, None]
    second = second - torch.einsum("bijac,bia->bijc", cosines, half)
    return torch.maximum(first.amax(-1), second.amax(-1))
