"""The student that a stage begins with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.checkpoint import load_student
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.presets import PRESETS
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TRAINED_PARTS, TrainConfig
from distill3d_ros.training.vocabulary import new_tokenizer

STUDENT = "student"
"""Folder of a stage's finished student, below the stage's own."""


def starting_student(
    config: TrainConfig, name: str, *, out: Path, init: str | Path | None, report: Callable[[str], None]
) -> Student:
    """The student that a stage begins with: ``init``, or what the stages before it have made of a new one.

    Of each earlier stage the parts that it trained are taken, so that stages that do not need each other (perception,
    and reasoning without pixels) may also run side by side.
    """
    if init is not None:
        report(f"{name}: starting from the student in {init}")
        return load_student(Path(init), device="cpu")
    names = [s.name for s in config.stages]
    student: Student | None = None
    for before in config.stages[: names.index(name)]:
        folder = out / before.name / STUDENT
        if not folder.is_dir():
            continue
        report(f"{name}: taking {', '.join(TRAINED_PARTS[before.kind])} from {folder}")
        made = load_student(folder, device="cpu")
        if student is None:
            student = made
        elif student.config.to_dict() != made.config.to_dict():
            raise ValueError(f"{folder} holds a student of another configuration than the stages before it")
        else:
            for part in TRAINED_PARTS[before.kind]:
                getattr(student, part).load_state_dict(getattr(made, part).state_dict())
    return new_student(config) if student is None else student


def new_student(config: TrainConfig) -> Student:
    """A student with random weights (and pretrained patch embedding), of the configured preset and changes."""
    if config.preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}. Got {config.preset!r}")
    base = PRESETS[config.preset](tuple(LABELS)).to_dict()
    for key, value in config.student.items():
        base[key] = base[key] | value if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    chosen = StudentConfig.from_dict(base)
    if chosen.language.causal_lm:
        raise ValueError(
            f"preset {config.preset!r} starts from a pretrained language model, and no stage fetches one yet; make the "
            "student with LanguageModel.load_pretrained, save it, and give its folder as --init; or use preset pico"
        )
    student = Student(chosen, new_tokenizer(chosen.language.vocab_size))
    # Without it the patch embedding starts from noise, and its frozen first blocks stay noise.
    student.encoder.patch_embed.load_pretrained()
    return student
