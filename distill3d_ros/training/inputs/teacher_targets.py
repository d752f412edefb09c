"""What a teacher said about the samples of a batch: from its cached answers to tensors.

Letters: B samples, M boxes a sample, C classes, h w the depth at stride 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from distill3d_ros.questions.question import Question
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer

STRIDE = 4
"""Pixels of the student's picture a teacher's depth is compared at."""
SURE = 0.3
"""A teacher's box counts if its likeliest class has at least this probability."""

TRUE_DEPTH = -np.inf
"""Log of the relative error that a teacher expects whose depth is the truth."""


class CacheInfo(Protocol):
    """What a stage must know of a teacher before it learns from it."""

    @property
    def teacher(self) -> str: ...
    @property
    def tokenizer_sha256(self) -> str | None:
        """None: it has only text."""

    @property
    def top_k(self) -> int:
        """Logits of so many tokens at each place of an answer; 0 without."""

    @property
    def hidden_size(self) -> int | None: ...
    @property
    def labels(self) -> Sequence[str]:
        """Its classes; none where it finds no boxes."""


class Perceived(Protocol):
    """A teacher's depth and boxes of one sample, see ``teachers.TeacherPerception``."""

    @property
    def depth(self) -> FloatArray | None: ...
    @property
    def log_error(self) -> FloatArray | None: ...
    @property
    def center_level(self) -> FloatArray: ...
    @property
    def size(self) -> FloatArray: ...
    @property
    def yaw(self) -> FloatArray: ...
    @property
    def class_probs(self) -> FloatArray: ...


class Lesson(Protocol):
    """One sample's questions and what the teacher said."""

    @property
    def questions(self) -> Sequence[Question]: ...
    @property
    def answers(self) -> Sequence[TeacherAnswer]: ...
    @property
    def perception(self) -> Perceived | None: ...


class Lessons(Protocol):
    """A teacher's cached answers, by the key of the sample; must be picklable where batches have worker processes."""

    @property
    def info(self) -> CacheInfo: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __getitem__(self, key: str, /) -> Lesson: ...


@dataclass(kw_only=True, slots=True)
class Taught:
    """A teacher's side of a batch."""

    answers: list[list[TeacherAnswer]]
    """Of each sample, in the order of its questions."""
    depth: Tensor  # (B, h, w) metres, 0 where it says nothing
    log_error: Tensor  # (B, h, w) log of the expected relative error; -inf where the depth is the truth
    class_probs: Tensor  # (B, M, C) independent probabilities
    mask: Tensor  # (B, M) bool
    center_level: Tensor  # (B, M, 3) level frame, metres
    size: Tensor  # (B, M, 3) metres
    yaw: Tensor  # (B, M) radians

    def to(self, device: torch.device) -> Taught:
        moved: dict[str, Any] = {
            f.name: v.to(device, non_blocking=True) if isinstance(v := getattr(self, f.name), Tensor) else v
            for f in fields(self)
        }
        return Taught(**moved)


def taught_batch(
    answers: list[list[TeacherAnswer]], perceived: Sequence[Perceived | None], size: tuple[int, int], classes: int
) -> Taught:
    """Stacks what was said of the whole pictures, which the student looks at in ``size`` (height, width)."""
    grid = (size[0] // STRIDE, size[1] // STRIDE)
    kept = [_sure(p) for p in perceived]
    places = max(1, max(len(k) for k in kept))
    arrays: dict[str, np.ndarray] = {
        "depth": np.zeros((len(kept), *grid), np.float32),
        "log_error": np.zeros((len(kept), *grid), np.float32),
        "class_probs": np.zeros((len(kept), places, classes), np.float32),
        "mask": np.zeros((len(kept), places), bool),
        "center_level": np.zeros((len(kept), places, 3), np.float32),
        "size": np.ones((len(kept), places, 3), np.float32),
        "yaw": np.zeros((len(kept), places), np.float32),
    }
    for b, (p, rows) in enumerate(zip(perceived, kept, strict=True)):
        if p is None:
            continue
        if p.depth is not None:
            arrays["depth"][b] = _resized(p.depth, grid)
            arrays["log_error"][b] = TRUE_DEPTH if p.log_error is None else _resized(p.log_error, grid)
        arrays["mask"][b, : len(rows)] = True
        for name in ("class_probs", "center_level", "size", "yaw"):
            arrays[name][b, : len(rows)] = np.asarray(getattr(p, name))[rows]
    arrays["depth"] = np.nan_to_num(arrays["depth"], nan=0.0, posinf=0.0)
    return Taught(answers=answers, **{name: torch.from_numpy(a) for name, a in arrays.items()})


def answers_with(answers: Sequence[Sequence[TeacherAnswer]], part: str) -> Iterator[tuple[int, int, TeacherAnswer]]:
    """Sample, question and answer wherever the teacher gave this part of its answer."""
    for b, said in enumerate(answers):
        for q, answer in enumerate(said):
            if getattr(answer, part) is not None:
                yield b, q, answer


def _sure(perceived: Perceived | None) -> np.ndarray:
    """Numbers of the boxes that count."""
    if perceived is None or len(perceived.class_probs) == 0:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.asarray(perceived.class_probs).max(1) >= SURE)


def _resized(image: FloatArray, grid: tuple[int, int]) -> FloatArray:
    image = np.asarray(image, np.float32)
    if image.shape == grid:
        return image
    return np.asarray(cv2.resize(image, grid[::-1], interpolation=cv2.INTER_NEAREST), np.float32)
