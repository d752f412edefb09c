"""A small student and scenes for it, shared by the tests of the student."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer

from distill3d_ros.student.config import (
    DepthConfig,
    DetectionConfig,
    EncoderConfig,
    HiddenCotConfig,
    LanguageConfig,
    StudentConfig,
)
from distill3d_ros.student.language.text import train_tokenizer
from distill3d_ros.student.outputs import NameSpan, ObjectSet, QuestionText
from distill3d_ros.student.student import Student

LABELS = ("chair", "table", "lamp", "washing machine")
TEXTS = (
    "Is the chair left of the table?",
    "How far away is the washing machine?",
    "Which is closer, the lamp or the table?",
    "yes",
    "no",
    "1.4 metres",
    "the lamp",
    "I do not see a lamp.",
)


def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, vocab_size=400, words=LABELS)


def small_config(**changes: object) -> StudentConfig:
    """The parts of pico, narrow."""
    values: dict[str, object] = {
        "preset": "small-test",
        "labels": LABELS,
        "encoder": EncoderConfig(dim=32, pairs=1, heads=2),
        "depth": DepthConfig(dim=16),
        "detection": DetectionConfig(queries=6, layers=2, heads=2, hidden=32),
        "language": LanguageConfig(vocab_size=400, dim=32, layers=2, heads=2, mlp_dim=48, pointer_dim=16),
        "hidden_cot": HiddenCotConfig(tokens=3),
    }
    return StudentConfig(**(values | changes))  # type: ignore[arg-type]


def small_student(seed: int = 0, **changes: object) -> Student:
    torch.manual_seed(seed)
    student = Student(small_config(**changes), tokenizer())
    with torch.no_grad():  # zero-initialised parts would hide mistakes
        for parameter in student.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    return student.eval()


def views(batch: int = 1, frames: int = 1, *, height: int = 64, width: int = 96, focal: float = 80.0, seed: int = 0):
    """Images (B, S, 3, H, W) and intrinsics (B, S, 4)."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(batch, frames, 3, height, width, generator=generator)
    k = torch.tensor([focal, focal, (width - 1) / 2, (height - 1) / 2])
    return images, k.expand(batch, frames, 4).clone()


def objects(batch: int = 1, count: int = 5, *, seed: int = 0) -> ObjectSet:
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    return ObjectSet(
        center=rand(batch, count, 3) * torch.tensor([3.0, 1.0, 3.0]) + torch.tensor([-1.5, 0.0, 1.0]),
        size=rand(batch, count, 3) + 0.2,
        yaw=rand(batch, count) * 6,
        class_probs=rand(batch, count, len(LABELS)),
        score=rand(batch, count),
        mask=torch.ones(batch, count, dtype=torch.bool),
    )


def questions() -> list[QuestionText]:
    """Three of different lengths, with answers and names."""
    left = TEXTS[0]
    chair, table = left.index("chair"), left.index("table")
    return [
        QuestionText(
            text=left,
            answer="yes",
            names=(
                NameSpan(start=chair, end=chair + 5, label=0, objects=(1,)),
                NameSpan(start=table, end=table + 5, label=1, objects=()),
            ),
        ),
        QuestionText(text=TEXTS[1], answer="1.4 metres"),
        QuestionText(text=TEXTS[2], answer="I do not see a lamp."),
    ]
