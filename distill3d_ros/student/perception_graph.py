"""A student's perception of one frame as a graph with named tensors in and out, for runtimes other than torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from torch import Tensor, nn

from distill3d_ros.student.outputs import Boxes, Perception, map_tensors
from distill3d_ros.student.student import Student

INPUTS = ("images", "intrinsics", "known_up", "up_is_known")
"""(1, 1, 3, H, W), (1, 1, 4), (1, 1, 3), and (1,) bool: whether ``known_up`` is to be used."""
_PLAIN = (
    "depth",
    "depth_log_error",
    "log_depth",
    "up",
    "fov",
    "level_from_optical",
    "query_patch",
    "patch_tokens",
    "camera_token",
    "patch_points",
)
_OF_BOXES = "detections."
OUTPUTS = (*_PLAIN, *(_OF_BOXES + f.name for f in fields(Boxes)))


class PerceptionGraph(nn.Module):
    """``Student.perceive`` of one scene of one frame, without its checks; INPUTS to OUTPUTS."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, images: Tensor, intrinsics: Tensor, known_up: Tensor, up_is_known: Tensor) -> tuple[Tensor, ...]:
        perception = self.student.perceive_unchecked(images, intrinsics, known_up, up_known=up_is_known)
        plain = [cast(Tensor, getattr(perception, name)).contiguous() for name in _PLAIN]
        boxes = [cast(Tensor, getattr(perception.detections, f.name)).contiguous() for f in fields(Boxes)]
        return (*plain, *boxes)


def perception_of(outputs: Mapping[str, Tensor], *, intrinsics: Tensor, grid: tuple[int, int]) -> Perception:
    """The perception from OUTPUTS by name, without what only losses need: proposals and the decoder's first layers.

    Args:
        intrinsics: (1, 1, 4) of the network's image.
        grid: rows and columns of patches.
    """
    detections = Boxes(**{f.name: outputs[_OF_BOXES + f.name] for f in fields(Boxes)})
    plain: dict[str, Any] = {name: outputs[name] for name in _PLAIN}
    height, width = outputs["depth"].shape[-2:]
    return Perception(
        **plain,
        detections=detections,
        proposals=map_tensors(detections, lambda x: x[:, :0]),
        decoder_layers=[],
        grid=grid,
        image_size=(height, width),
        intrinsics=intrinsics,
    )
