"""Options of ``distill3d teach``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distill3d_ros.system.command_options import MixedDataOptions, PositiveInt, Seed, Words

TeacherKind = Literal["privileged", "llava3d", "transformers_vlm", "transformers_perception"]
"""Each is a module beside this one; ``make_teacher`` loads it."""


@dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """A teacher, and where it runs."""

    teacher: TeacherKind
    """What kind of model it is."""
    model: str = ""
    """Its folder, or its id on a hub with @revision; all but transformers_perception need it."""
    depth: str = ""
    """Of transformers_perception: a network that estimates depth, a folder or owner/name@revision."""
    detector: str = ""
    """Of transformers_perception: a network that detects things, likewise."""
    depth_output: Literal["metric", "inverse"] | None = None
    """What the depth network estimates: metres, or inverse depth of unknown scale and shift (default: what its
    configuration says; DPT's does not)."""
    prompts: Words = ()
    """Words that an open-vocabulary detector looks for, PHRASE or PHRASE=CATEGORY (default: the categories' names)."""
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
    min_score: float = 0.5
    """Of the teacher's boxes in pictures without labels, to ask about them; 0..1."""
    min_confidence: float = 0.5
    """Of the teacher's answers about pictures without labels, which must agree with its boxes, too; 0..1."""
    measure: PositiveInt = 100
    """Samples of the validation split (of SPLIT where there is none) to mark the teacher on first."""


@dataclass(frozen=True, kw_only=True)
class TeachOptions(TeacherOptions, AnswerOptions):
    """A teacher, and what it answers about."""
