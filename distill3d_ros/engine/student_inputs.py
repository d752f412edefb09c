"""Inputs of the student's network, from frames. numpy alone.

Letters in shape comments: S frames, h w pixels of the network's image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill3d_ros.scene.frame import Frame
from distill3d_ros.student.antialias import Float32
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.preprocess import preprocess, resize_depth


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentInputs:
    """What the student is given of one scene; see ``Student.perceive``."""

    images: Float32  # (1, S, 3, h, w)
    intrinsics: Float32  # (1, S, 4)
    up: Float32 | None  # (1, S, 3)
    depth: Float32 | None  # (1, S, h, w)


def student_inputs(config: StudentConfig, views: Sequence[Frame]) -> StudentInputs:
    """Of frames of one size.

    Raises:
        ValueError: the student takes depth, and a frame has none.
    """
    cameras = [np.array([f.intrinsics.fx, f.intrinsics.fy, f.intrinsics.cx, f.intrinsics.cy]) for f in views]
    area, multiple = config.image_area, config.multiple
    prepared = [preprocess(f.image, k, area=area, multiple=multiple) for f, k in zip(views, cameras, strict=True)]
    images = np.stack([p.image for p in prepared])[None]
    known = [f.up for f in views if f.up is not None]
    return StudentInputs(
        images=images,
        intrinsics=np.stack([p.intrinsics for p in prepared])[None],
        up=np.stack(known).astype(np.float32)[None] if len(known) == len(views) else None,
        depth=_depth(config, views, (images.shape[-2], images.shape[-1])) if config.takes_depth else None,
    )


def _depth(config: StudentConfig, views: Sequence[Frame], size: tuple[int, int]) -> Float32:
    """(1, S, h, w)"""
    known = [f.depth for f in views if f.depth is not None]
    if len(known) < len(views):
        raise ValueError(
            f"frame.depth must be given: student '{config.preset}' is told the depth of every frame, "
            f"by an RGB-D camera or a data set. Got {len(views) - len(known)} of {len(views)} frames without"
        )
    return np.stack([resize_depth(np.asarray(d), size) for d in known])[None]
