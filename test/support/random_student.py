"""A student with random weights: real in every part, untrained. For the mechanics of engine and nodes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.templates import templates
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.checkpoint import save_student
from distill3d_ros.student.language.text import train_tokenizer
from distill3d_ros.student.presets import pico
from distill3d_ros.student.student import Student


def random_student(seed: int = 0, *, metric: bool = True) -> Student:
    """Preset pico; the objectness bias is raised so that there are boxes to work with."""
    torch.manual_seed(seed)
    texts = [w for kind in KINDS for w in templates(kind, False)]
    config = pico(LABELS)
    config = replace(config, depth=replace(config.depth, metric=metric))
    tokenizer = train_tokenizer(texts, vocab_size=config.language.vocab_size, words=LABELS)
    student = Student(config, tokenizer).eval()
    _see_something(student)
    return student


def _see_something(student: Student) -> None:
    """Raises the head's biases: untrained, it is sure that there is nothing anywhere."""
    bias = student.detection_head.propose.labels.fc2.bias
    with torch.no_grad():
        bias.copy_(torch.randn(len(bias)))
        bias[0] = 2.0  # objectness


def save_random_student(folder: Path, seed: int = 0, *, metric: bool = True) -> Path:
    return save_student(folder, random_student(seed, metric=metric), {"note": "random weights"}, dtype="float16")
