"""Inputs of the student's network, from frames.

Letters in shape comments: S frames, h w pixels of the network's image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from distill3d_ros.scene.frame import Frame
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.preprocess import preprocess, resize_depth
from distill3d_ros.student.student import Student


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentInputs:
    """What the student is given of one scene; see ``Student.perceive``."""

    images: torch.Tensor  # (1, S, 3, h, w)
    intrinsics: torch.Tensor  # (1, S, 4)
    up: torch.Tensor | None  # (1, S, 3)
    depth: torch.Tensor | None  # (1, S, h, w)


def student_inputs(student: Student, views: Sequence[Frame]) -> StudentInputs:
    """Of frames of one size, on the CPU.

    Raises:
        ValueError: the student takes depth, and a frame has none.
    """
    cameras = [np.array([f.intrinsics.fx, f.intrinsics.fy, f.intrinsics.cx, f.intrinsics.cy]) for f in views]
    area, multiple = student.config.image_area, student.multiple
    prepared = [preprocess(f.image, k, area=area, multiple=multiple) for f, k in zip(views, cameras, strict=True)]
    images = torch.stack([p.image for p in prepared])[None]
    known = [f.up for f in views if f.up is not None]
    return StudentInputs(
        images=images,
        intrinsics=torch.stack([p.intrinsics for p in prepared])[None],
        up=torch.as_tensor(np.stack(known), dtype=torch.float32)[None] if len(known) == len(views) else None,
        depth=_depth(student, views, (images.shape[-2], images.shape[-1])) if student.takes_depth else None,
    )


def perceive_views(student: Student, views: Sequence[Frame], poses: torch.Tensor | None) -> Perception:
    """The student's perception of frames of one size.

    Args:
        poses: (1, S, 4, 4) the first camera from each; None of a single frame, or if the student estimates them.

    Raises:
        ValueError: the student takes depth, and a frame has none.
    """
    device = next(student.parameters()).device
    given = student_inputs(student, views)
    up = None if given.up is None else given.up.to(device)
    depth = None if given.depth is None else given.depth.to(device)
    return student.perceive(given.images.to(device), given.intrinsics.to(device), up, poses, depth)


def _depth(student: Student, views: Sequence[Frame], size: tuple[int, int]) -> torch.Tensor:
    """(1, S, h, w)"""
    known = [f.depth for f in views if f.depth is not None]
    if len(known) < len(views):
        raise ValueError(
            f"frame.depth must be given: student '{student.config.preset}' is told the depth of every frame, "
            f"by an RGB-D camera or a data set. Got {len(views) - len(known)} of {len(views)} frames without"
        )
    return torch.stack([resize_depth(np.asarray(d), size) for d in known])[None]
