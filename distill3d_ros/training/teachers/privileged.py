"""The privileged teacher: a larger student that is given the true depth of every picture (preset ``privileged``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from distill3d_ros.scene.objects import Box3D
from distill3d_ros.student.checkpoint import WEIGHTS, load_student, read_description
from distill3d_ros.student.heads.measured_depth import is_known
from distill3d_ros.student.hub import student_folder
from distill3d_ros.student.language.text import tokenizer_sha256
from distill3d_ros.student.outputs import Perception
from distill3d_ros.student.student import Student
from distill3d_ros.training.data.answers.teacher_answer import TOP_K, TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.inputs.augmentation import resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.targets import perceive_views
from distill3d_ros.training.inputs.teacher_annotation import box_rectangles


class PrivilegedTeacher:
    """Answers with the logits and hidden states that a student of its family can learn from directly.

    Any student will do; one that estimates depth itself is given no more than the direction of gravity.
    """

    answers_questions = True

    def __init__(self, student: Student, *, weights_sha256: str, top_k: int = TOP_K) -> None:
        self.student = student.eval()
        self.weights_sha256, self.top_k = weights_sha256, top_k
        self._tokenizer_sha256 = tokenizer_sha256(student.language.tokenizer)
        self._latest: tuple[Sample, Perception] | None = None

    @property
    def name(self) -> str:
        return f"{self.student.config.preset}-{self.weights_sha256[:8]}"

    @property
    def tokenizer_sha256(self) -> str | None:
        return self._tokenizer_sha256

    @torch.inference_mode()
    def answer(self, sample: Sample, questions: Sequence[str]) -> list[TeacherAnswer]:
        cache = self.student.cache(self.student.prefix(self._perception_of(sample)))
        answers = []
        for answer in self.student.answer(cache, questions, top=self.top_k):
            assert answer.scores is not None
            answers.append(
                TeacherAnswer(
                    text=answer.text,
                    top_tokens=answer.scores.top_tokens.cpu().numpy(),
                    top_logits=_numpy(answer.scores.top_logits),
                    hidden=_numpy(answer.scores.before_answer),
                )
            )
        return answers

    @torch.inference_mode()
    def perceive(self, sample: Sample) -> TeacherPerception:
        """Its depth where it has any (a measured one has holes), and its boxes: in space where it is told which way is
        up, else, in no level frame that a sample has, their rectangles in the picture."""
        perception = self._perception_of(sample)
        found = self.student.objects(perception)
        probs, labels = _numpy(found.class_probs[0]), tuple(self.student.config.labels)
        given = self._depth_looked_at(sample)
        depth = _numpy(_quartered(perception.depth.log())[0, 0].exp()) if given is None else quartered_known(given)
        log_error = None if perception.depth_measured else _numpy(_quartered(perception.depth_log_error)[0, 0])
        center, size, yaw = (_numpy(x[0]) for x in (found.center, found.size, found.yaw))
        if sample.scene.annotation.gravity:
            return TeacherPerception(
                depth=depth,
                log_error=log_error,
                center_level=center,
                size=size,
                yaw=yaw,
                class_probs=probs,
                labels=labels,
            )
        rectangles = box_rectangles(
            [Box3D(center=c, size=s, yaw=float(y)) for c, s, y in zip(center, size, yaw, strict=True)],
            _numpy(perception.level_from_optical[0]),
            sample.frame.intrinsics,
        )
        in_view = np.isfinite(rectangles).all(1)
        k = sample.frame.intrinsics
        return TeacherPerception(
            depth=depth,
            log_error=log_error,
            rectangles=(rectangles / [k.width, k.height, k.width, k.height])[in_view],
            class_probs=probs[in_view],
            labels=labels,
        )

    def describe(self) -> dict[str, Any]:
        config = self.student.config
        return {
            "kind": "privileged",
            "preset": config.preset,
            "weights_sha256": self.weights_sha256,
            "parameters": sum(p.numel() for p in self.student.parameters()),
            "told": "depth and up" if self.student.takes_depth else "up",
            "image_area": config.image_area,
            "precision": self.student.inference_dtype,
            "vocabulary": self.student.language.tokenizer.get_vocab_size(),
            "top_k": self.top_k,
        }

    def _perception_of(self, sample: Sample) -> Perception:
        """The student's perception of a sample; its answers and its boxes rest on the same one."""
        if self._latest is None or self._latest[0] is not sample:
            view = resize_uncropped(
                view_from_sample(sample), area=self.student.config.image_area, multiple=self.student.multiple
            )
            up_given = sample.scene.annotation.gravity
            self._latest = sample, perceive_views(self.student, [view], up_given=up_given)
        return self._latest[1]

    def _depth_looked_at(self, sample: Sample) -> np.ndarray | None:
        """(H, W) the true depth at the size at which it looks, if it takes one."""
        if not self.student.takes_depth:
            return None
        view = resize_uncropped(
            view_from_sample(sample), area=self.student.config.image_area, multiple=self.student.multiple
        )
        return view.depth


def load_teacher(model: str, *, device: torch.device, top_k: int = TOP_K) -> PrivilegedTeacher:
    """The student in folder ``model``, or ``owner/name@revision`` of one on a hub."""
    folder = student_folder(model)
    sha256 = str(read_description(folder)["sha256"][WEIGHTS])
    return PrivilegedTeacher(load_student(folder, device), weights_sha256=sha256, top_k=top_k)


def quartered_known(depth: np.ndarray) -> np.ndarray:
    """(H, W) metres, 0 where unknown -> (H/4, W/4): the geometric mean of what is known of each 4 x 4 pixels, 0 where
    less than half is."""
    given = torch.from_numpy(np.ascontiguousarray(depth, np.float32))[None, None]
    known = is_known(given)
    share = _quartered(known)
    mean = _quartered(torch.where(known, given, 1.0).log()) / share.clamp_min(1e-6)
    return _numpy(torch.where(share >= 0.5, mean.exp(), 0.0)[0, 0])


def _quartered(x: Tensor) -> Tensor:
    """(B, S, H, W) -> (B, S, H/4, W/4)"""
    return functional.avg_pool2d(x.float(), 4)


def _numpy(x: Tensor) -> np.ndarray:
    return x.float().cpu().numpy()
