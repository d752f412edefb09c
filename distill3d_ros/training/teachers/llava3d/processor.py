"""Samples as LLaVA-3D's inputs: square pictures through CLIP's processor, with their depth, poses and cameras.

Letters: S distinct views; H, W as in the sample; P side of the square picture, pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.training.data.sample import Sample

WORLD_FROM_LEVEL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""(3, 3): turns the level frame (x right, y down, z forward) into x right, y forward, z up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Posed RGB-D views of one place. The world is z-up, metres."""

    images: Tensor
    """(S, 3, P, P) as CLIP wants them."""
    depths: Tensor
    """(S, P, P) metres, 0 where unknown."""
    world_from_camera: Tensor
    """(S, 4, 4) of the optical frame."""
    intrinsics: Tensor
    """(S, 4, 4) pixels of the square pictures."""
    repeats: Tensor
    """(S,) how often each is looked at: the network takes a fixed number of views."""


def views_of_samples(samples: Sequence[Sample], *, side: int, frames: int) -> Views:
    """The views of one place, in the order of ``samples``.

    A sample without a pose stands in a level world of its own, with the camera at the origin; the network was trained
    with the floor at z = 0.

    Args:
        side: of the square pictures, pixels.
        frames: how many views the network takes; see ``view_numbers``.

    Raises:
        ValueError: several samples, and one of them has no ``frame.world_from_camera`` or is of another room.
    """
    if not samples:
        raise ValueError("samples must name at least one view. Got none")
    for sample in samples[1:]:
        if sample.room != samples[0].room:
            raise ValueError(
                f"views must be of one room. Got {samples[0].key} of {samples[0].room}, {sample.key} of {sample.room}"
            )
    counts = Counter(view_numbers(len(samples), frames))
    chosen = [samples[i] for i in counts]
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}, do_convert_rgb=True
    )
    images = processor(images=[Image.fromarray(s.frame.image) for s in chosen], return_tensors="pt")
    return Views(
        images=images["pixel_values"],
        depths=torch.stack([square_depth(np.asarray(s.scene.depth), side) for s in chosen]),
        world_from_camera=torch.from_numpy(np.stack([_pose(s, alone=len(samples) == 1) for s in chosen])).float(),
        intrinsics=torch.from_numpy(np.stack([_camera(s, side) for s in chosen])).float(),
        repeats=torch.tensor(list(counts.values())),
    )


def view_numbers(available: int, wanted: int) -> list[int]:
    """Indices of ``wanted`` of the ``available`` views: evenly from the first on, or all in turn again."""
    stride = max(1, available // wanted)
    return [i * stride % available for i in range(wanted)]


def resized_to(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height when the shorter becomes ``side``; the longer is cut to whole pixels."""
    return (int(side * width / height), side) if width > height else (side, int(side * height / width))


def square_depth(depth: FloatArray, side: int) -> Tensor:
    """Depth (H, W) in metres to (P, P): the nearest pixel, then the middle square. What is not finite becomes 0."""
    known = np.nan_to_num(np.asarray(depth, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    width, height = resized_to(known.shape[1], known.shape[0], side)
    rows, columns = (
        ((np.arange(side) + round((size - side) / 2) + 0.5) * (before / size)).astype(int)
        for size, before in ((height, known.shape[0]), (width, known.shape[1]))
    )
    return torch.from_numpy(known[rows[:, None], columns])


def square_camera(
    matrix: FloatArray, *, width: int, height: int, side: int, published_portrait: bool = False
) -> FloatArray:
    """Pinhole matrices (..., 4, 4) of a ``width`` x ``height`` image, for its middle square.

    The centre is scaled without the half pixel that ``Intrinsics.resized`` accounts for, as the network knows it.

    Args:
        published_portrait: shift the centre of an upright image sideways in place of upwards, as the published code
            does; its points are then wrong.
    """
    new_width, new_height = resized_to(width, height, side)
    scaled = np.array(matrix, np.float64)
    scaled[..., 0, :] /= width / new_width
    scaled[..., 1, :] /= height / new_height
    if new_width >= new_height or published_portrait:
        scaled[..., 0, 2] -= (new_width - new_height) / 2
    else:
        scaled[..., 1, 2] -= (new_height - new_width) / 2
    return scaled


def _camera(sample: Sample, side: int) -> FloatArray:
    camera, matrix = sample.frame.intrinsics, np.eye(4)
    matrix[:3, :3] = camera.matrix
    return square_camera(matrix, width=camera.width, height=camera.height, side=side)


def _pose(sample: Sample, *, alone: bool) -> FloatArray:
    pose = sample.frame.world_from_camera
    if pose is not None:
        return np.asarray(pose, np.float64)
    if not alone:
        raise ValueError(
            f"several views need their poses; sample {sample.key} has no frame.world_from_camera. Give it "
            "alone, or views that have poses"
        )
    level = np.eye(4)
    level[:3, :3] = WORLD_FROM_LEVEL @ np.asarray(sample.scene.level_from_optical)
    return level
