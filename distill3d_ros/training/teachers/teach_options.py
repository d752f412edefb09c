"""Options of ``distill3d teach``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distill3d_ros.system.command_options import MixedDataOptions, PositiveInt, Seed

TeacherKind = Literal["privileged", "llava3d", "transformers_vlm"]
"""Each is a module beside this one with ``load_teacher(model, *, device, top_k) -> Teacher``."""


@dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """A teacher, and where it runs."""

    teacher: TeacherKind
    """What kind of model it is."""
    model: str
    """Its folder, or its id on a hub with @revision."""
    top_k: PositiveInt = 16
    """Logits that are kept at each token of an answer."""
    precision: Literal["float32", "bfloat16", "float16", "8bit", "4bit"] | None = None
    """Of llava3d (default: what the device has room for); 8bit and 4bit need bitsandbytes."""
    device: str = "auto"
    """auto (a GPU where there is one), cpu, cuda, cuda:1."""


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(MixedDataOptions):
    """The samples that a teacher answers about, and the folder of its answers."""

    out: Path
    """Folder of the answers; what was stopped goes on there."""
    split: str = "train"
    """Which part of the data."""
    questions: PositiveInt = 24
    """Questions about each sample, at most, chosen as in training."""
    seed: Seed = 0
    """Which questions are asked, and the order of the samples: a part of them is of many rooms."""
    limit: PositiveInt | None = None
    """Only so many samples; a larger number later adds to what is there."""
    measure: PositiveInt = 100
    """Samples of the validation split (of SPLIT where there is none) to mark the teacher on first."""


@dataclass(frozen=True, kw_only=True)
class TeachOptions(TeacherOptions, AnswerOptions):
    """A teacher, and what it answers about."""
