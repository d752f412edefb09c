"""Loading of the teacher that the options name."""

from __future__ import annotations

import importlib
from typing import get_args

from distill3d_ros.system.device import torch_device
from distill3d_ros.training.teachers.teach_options import TeacherKind, TeacherOptions
from distill3d_ros.training.teachers.teacher import Teacher


def make_teacher(options: TeacherOptions) -> Teacher:
    """Loads a teacher; what its folder must hold is the business of its kind."""
    kind, precision = options.teacher, options.precision
    if kind not in get_args(TeacherKind):
        raise ValueError(f"teacher must be one of {', '.join(get_args(TeacherKind))}. Got {kind!r}")
    if precision is not None and kind != "llava3d":
        raise ValueError(f"precision is for the teacher llava3d alone, {kind} chooses its own. Got {precision!r}")
    module = importlib.import_module(f"distill3d_ros.training.teachers.{kind}")
    arithmetic = {} if precision is None else {"precision": precision}
    device = torch_device(options.device)
    return module.load_teacher(options.model, device=device, top_k=options.top_k, **arithmetic)
