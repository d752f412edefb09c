"""The student that a stage begins with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.checkpoint import load_student
from distill3d_ros.student.config import PRESETS, StudentConfig
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import TrainConfig
from distill3d_ros.training.vocabulary import new_tokenizer

STUDENT = "student"
"""Folder of a stage's finished student, below the stage's own."""


def starting_student(
    config: TrainConfig, name: str, *, out: Path, init: str | Path | None, report: Callable[[str], None]
) -> Student:
    """The student that a stage begins with."""
    names = [s.name for s in config.stages]
    before = out / names[names.index(name) - 1] / STUDENT if names.index(name) else None
    if init is None and before is not None and before.is_dir():
        init = before
    if init is not None:
        report(f"{name}: starting from the student in {init}")
        return load_student(Path(init), device="cpu")
    return new_student(config)


def new_student(config: TrainConfig) -> Student:
    """A student with random weights (and pretrained patch embedding), of the configured preset and changes."""
    if config.preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}. Got {config.preset!r}")
    base = PRESETS[config.preset](tuple(LABELS)).to_dict()
    for key, value in config.student.items():
        base[key] = base[key] | value if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    student = StudentConfig.from_dict(base)
    return Student(student, new_tokenizer(student.language.vocab_size))
