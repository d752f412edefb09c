"""Costs of a question without perception: milliseconds on this machine, and multiply-adds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from distill3d_ros.student.checkpoint import load_student
from distill3d_ros.student.outputs import LanguageInput, ObjectSet, QuestionText, map_tensors
from distill3d_ros.student.student import Student

QUESTIONS = (
    "Is the chair left of the table?",
    "How far away is the lamp?",
    "Which is larger, the sofa or the bed?",
    "What is on the desk?",
    "How many chairs are there?",
    "Is there a plant?",
)
ROUNDS = 8
WIDE = 14
"""Patches of a side of the view: those of 224 x 224 pixels."""


def question_costs(students: dict[str, Path], device: torch.device) -> dict[str, dict[str, float]]:
    """Name -> ``ms``, the median time to answer one question about a cached view, and ``multiply_adds``
    of reading one question with its answer, without the view's share.

    The students take turns, so that other load affects all alike. The view is noise: neither depends on its content,
    except through the length of the answers.
    """
    loaded = {name: load_student(folder, device) for name, folder in students.items()}
    times: dict[str, list[float]] = {name: [] for name in loaded}
    for turn in range(ROUNDS + 1):
        for name, student in loaded.items():
            with torch.inference_mode():
                cache = student.cache(student.prefix(_noise(student, device)))
            for question in QUESTIONS:
                began = time.perf_counter()
                student.answer(cache, [question])  # ends with its text, so that a GPU is waited for
                if turn:  # the first warms up
                    times[name].append(time.perf_counter() - began)
    return {
        name: {"ms": 1e3 * float(np.median(times[name])), "multiply_adds": _multiply_adds(student, device)}
        for name, student in loaded.items()
    }


def _multiply_adds(student: Student, device: torch.device) -> float:
    """A question, matrix products only; with gradients on, so that attention is counted as such too."""
    language_input = _noise(student, device)
    asked = [QuestionText(text=q, answer="yes") for q in QUESTIONS]

    def counted(questions: Sequence[QuestionText]) -> int:
        batch = student.collate([questions], language_input.objects.score.shape[1])
        batch = map_tensors(batch, lambda x: x.to(device))
        with FlopCounterMode(display=False) as counter:
            student.read(student.prefix(language_input), batch)
        return counter.get_total_flops()

    return (counted([*asked, *asked]) - counted(asked)) / (2 * len(asked))


def _noise(student: Student, device: torch.device) -> LanguageInput:
    generator = torch.Generator().manual_seed(0)
    boxes, width = student.config.detection.queries, student.config.encoder.width

    def rand(*shape: int) -> Any:
        return torch.rand(*shape, generator=generator).to(device)

    objects = ObjectSet(
        center=rand(1, boxes, 3) * 3,
        size=rand(1, boxes, 3) + 0.2,
        yaw=rand(1, boxes),
        class_probs=rand(1, boxes, len(student.config.labels)),
        score=rand(1, boxes),
        mask=torch.ones(1, boxes, dtype=torch.bool, device=device),
        feature=rand(1, boxes, student.config.box_dim),
    )
    return LanguageInput(
        objects=objects,
        patch_tokens=rand(1, 1, WIDE * WIDE, width),
        patch_points=rand(1, 1, WIDE * WIDE, 3),
        camera=rand(1, 1, width + 6),
        grid=(WIDE, WIDE),
    )
