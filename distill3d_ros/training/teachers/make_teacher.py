"""Loading of the teacher that the options name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, get_args

from distill3d_ros.system.device import torch_device
from distill3d_ros.training.teachers.teach_options import TeacherKind, TeacherOptions
from distill3d_ros.training.teachers.teacher import Teacher

if TYPE_CHECKING:
    import torch


def make_teacher(options: TeacherOptions) -> Teacher:
    """Loads a teacher; what its folder must hold is the business of its kind."""
    kind, precision = options.teacher, options.precision
    if kind not in get_args(TeacherKind):
        raise ValueError(f"teacher must be one of {', '.join(get_args(TeacherKind))}. Got {kind!r}")
    if precision is not None and kind != "llava3d":
        raise ValueError(f"precision is for the teacher llava3d alone, {kind} chooses its own. Got {precision!r}")
    device = torch_device(options.device)
    if kind == "transformers_perception":
        return _perception_teacher(options, device)
    for name in ("depth", "detector", "depth_output", "prompts"):
        if getattr(options, name):
            raise ValueError(
                f"{name} is for the teacher transformers_perception alone; leave it out for {kind}. "
                f"Got {getattr(options, name)!r}"
            )
    if not options.model:
        raise ValueError(f"model must name the folder of {kind}, or owner/name@revision of one on a hub. Got none")
    module = importlib.import_module(f"distill3d_ros.training.teachers.{kind}")
    arithmetic = {} if precision is None else {"precision": precision}
    return module.load_teacher(options.model, device=device, top_k=options.top_k, **arithmetic)


def _perception_teacher(options: TeacherOptions, device: torch.device) -> Teacher:
    if options.model:
        raise ValueError(
            f"transformers_perception has two networks: give depth, detector, or both. Got model {options.model!r}"
        )
    module = importlib.import_module("distill3d_ros.training.teachers.transformers_perception")
    return module.load_perception_teacher(
        depth=options.depth,
        detector=options.detector,
        depth_output=options.depth_output,
        prompts=options.prompts,
        device=device,
    )
