"""Tensors of a teacher's cached answers about the samples of a batch.

A teacher's answer has three forms on its way to the losses: ``TeacherAnswer`` is one, ``CachedSample`` those about one
sample, as ``TeacherCache`` reads them, and ``TeacherTargets`` those about the samples of a batch.

Letters: B samples, M boxes a sample, C classes, h w the depth at stride 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.training.data.answers.answer_shards import CachedSample
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception

STRIDE = 4
"""Pixels of the student's picture a teacher's depth is compared at."""
MIN_CLASS_PROBABILITY = 0.3
"""A teacher's box counts if its likeliest class has at least this probability."""

TRUE_DEPTH = -np.inf
"""Log of the relative error that a teacher expects whose depth is the truth."""


@dataclass(kw_only=True, slots=True)
class TeacherTargets:
    """A teacher's side of a batch."""

    answers: list[list[TeacherAnswer]]
    """Of each sample, in the order of its questions."""
    depth: Tensor  # (B, h, w) metres, 0 where unknown
    log_error: Tensor  # (B, h, w) log of the expected relative error; -inf where the depth is the truth
    class_probs: Tensor  # (B, M, C) independent probabilities
    mask: Tensor  # (B, M) bool
    center_level: Tensor  # (B, M, 3) level frame, metres
    size: Tensor  # (B, M, 3) metres
    yaw: Tensor  # (B, M) radians

    def to(self, device: torch.device) -> TeacherTargets:
        moved: dict[str, Any] = {
            f.name: v.to(device, non_blocking=True) if isinstance(v := getattr(self, f.name), Tensor) else v
            for f in fields(self)
        }
        return TeacherTargets(**moved)


def collate_teacher_targets(
    cached: Sequence[CachedSample], asked: Sequence[Sequence[int]], size: tuple[int, int], classes: int
) -> TeacherTargets:
    """Stacks what a teacher answered about the samples of a batch, and what it perceived in the whole pictures.

    Args:
        asked: of each sample, the numbers of the questions that are asked about it, in their order.
        size: (height, width) of the pictures that the student is given.
        classes: number of the student's classes, which are the teacher's.
    """
    grid = (size[0] // STRIDE, size[1] // STRIDE)
    perceptions = [c.perception for c in cached]
    boxes = [_confident_boxes(p) for p in perceptions]
    max_objects = max(1, max(len(b) for b in boxes))
    arrays: dict[str, np.ndarray] = {
        "depth": np.zeros((len(cached), *grid), np.float32),
        "log_error": np.zeros((len(cached), *grid), np.float32),
        "class_probs": np.zeros((len(cached), max_objects, classes), np.float32),
        "mask": np.zeros((len(cached), max_objects), bool),
        "center_level": np.zeros((len(cached), max_objects, 3), np.float32),
        "size": np.ones((len(cached), max_objects, 3), np.float32),
        "yaw": np.zeros((len(cached), max_objects), np.float32),
    }
    for b, (p, rows) in enumerate(zip(perceptions, boxes, strict=True)):
        if p is None:
            continue
        if p.depth is not None and not p.depth_is_relative:
            arrays["depth"][b] = _resized(p.depth, grid)
            arrays["log_error"][b] = TRUE_DEPTH if p.log_error is None else _resized(p.log_error, grid)
        arrays["mask"][b, : len(rows)] = True
        for name in ("class_probs", "center_level", "size", "yaw"):
            arrays[name][b, : len(rows)] = np.asarray(getattr(p, name))[rows]
    arrays["depth"] = np.nan_to_num(arrays["depth"], nan=0.0, posinf=0.0)
    answers = [[c.answers[i] for i in numbers] for c, numbers in zip(cached, asked, strict=True)]
    return TeacherTargets(answers=answers, **{name: torch.from_numpy(a) for name, a in arrays.items()})


def _confident_boxes(perception: TeacherPerception | None) -> np.ndarray:
    """Numbers of the boxes in space that count."""
    if perception is None or perception.center_level is None or len(perception.class_probs) == 0:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.asarray(perception.class_probs).max(1) >= MIN_CLASS_PROBABILITY)


def _resized(image: FloatArray, grid: tuple[int, int]) -> FloatArray:
    image = np.asarray(image, np.float32)
    if image.shape == grid:
        return image
    return np.asarray(cv2.resize(image, grid[::-1], interpolation=cv2.INTER_NEAREST), np.float32)
