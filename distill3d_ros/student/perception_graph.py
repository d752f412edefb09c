"""A student's perception of one frame as a graph with named tensors in and out, for runtimes other than torch."""

from __future__ import annotations

from dataclasses import fields
from typing import cast

from torch import Tensor, nn

from distill3d_ros.student.onnx_format import PLAIN_OUTPUTS
from distill3d_ros.student.outputs import Boxes
from distill3d_ros.student.student import Student


class PerceptionGraph(nn.Module):
    """``Student.perceive`` of one scene of one frame, without its checks; names as in onnx_format.py."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, images: Tensor, intrinsics: Tensor, known_up: Tensor, up_is_known: Tensor) -> tuple[Tensor, ...]:
        perception = self.student.perceive_unchecked(images, intrinsics, known_up, up_known=up_is_known)
        plain = [cast(Tensor, getattr(perception, name)).contiguous() for name in PLAIN_OUTPUTS]
        boxes = [cast(Tensor, getattr(perception.detections, f.name)).contiguous() for f in fields(Boxes)]
        return (*plain, *boxes)
