"""Evaluation of a trained variant: each question right or wrong, as trained and with changed thoughts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill3d_ros.questions.ground_truth.question import Question, is_correct
from distill3d_ros.student.checkpoint import load_student, read_description
from distill3d_ros.student.outputs import LanguageInput, QuestionText, map_tensors
from distill3d_ros.student.student import Student
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.ablation.plan import AskedConfig
from distill3d_ros.training.ablation.runs import Run, others_of
from distill3d_ros.training.ablation.thoughts import AS_TRAINED, attention, can_show_attention, conditions, thoughts_as
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.data.mixture import Folders, Reader, open_part
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.evaluation.grading import parse_answer
from distill3d_ros.training.evaluation.question_sets import question_set
from distill3d_ros.training.inputs.augmentation import resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.perception_cache import PerceptionCache, perception_sha256
from distill3d_ros.training.inputs.targets import perceive_views
from distill3d_ros.training.stages.perception_figures import REAL, perception_figures

MEASURED = "measured.json"


def measuring_key(student: Path, other: Path | None, asked: AskedConfig, data: Folders) -> str:
    """Fingerprint of a measurement: the student, the other seed's, the questions and the data."""
    parts = {
        "students": [None if s is None else read_description(s)["sha256"] for s in (student, other)],
        "asked": asdict(asked),
        "data": [manifest_sha256(folder) for folder in data],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_measured(run: Path, key: str) -> bool:
    """Whether the run's folder holds this measurement."""
    path = run / MEASURED
    return path.is_file() and json.loads(path.read_text()).get("key") == key


def all_measured(runs: Sequence[Run], asked: AskedConfig, data: Folders) -> bool:
    """Whether every trained run of a variant was asked these questions."""
    return all(
        is_measured(run.folder, measuring_key(run.student, None if other is None else other.student, asked, data))
        for run, other in others_of(runs)
    )


def measure(
    run: Path,
    student_folder: Path,
    other: Path | None,
    *,
    data: Folders,
    asked: AskedConfig,
    cache: Path,
    device: torch.device,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Evaluates a student on all questions and writes ``run/measured.json``; returns its content.

    Args:
        other: folder of the same variant's student from another seed, for the exchange of thoughts.
        cache: cached perceptions; a student with another perception perceives the frames itself, and its depth and
            boxes are evaluated too.
    """
    student = load_student(student_folder, device)
    perceiver = perception_sha256(student)
    splits: dict[str, Any] = {}
    attentions: list[tuple[Tensor, float]] = []
    for split in asked.splits:
        reader = open_part(data, split)
        if not len(reader):
            raise ValueError(f"evaluate.splits: the data has no samples of {split!r}; leave it out")
        language_inputs = _LanguageInputs(student, reader, _cached(cache / split, perceiver, data))
        splits[split] = _ask(student, language_inputs, other, asked, attentions)
        right = splits[split]["right"][AS_TRAINED]
        report(f"{run.parent.name} {run.name}: {split} {right.count('1') / max(1, len(right)):.3f} of {len(right)}")
    result = {
        "key": measuring_key(student_folder, other, asked, data),
        "parameters": sum(p.numel() for p in student.language.parameters()),
        "thoughts": len(student.language.thoughts.tokens),
        "splits": splits,
        "attention": None
        if not attentions
        else {
            "layers": torch.stack([share for share, _ in attentions]).mean(0).tolist(),
            "uniform": float(np.mean([uniform for _, uniform in attentions])),
        },
    }
    write_whole(run / MEASURED, json.dumps(result) + "\n")
    return result


def _cached(folder: Path, perceiver: str, data: Folders) -> PerceptionCache | None:
    """The cached perception of a split, if it is that of this student on this data."""
    if not folder.is_dir():
        return None
    views = PerceptionCache(folder)
    same = views.info["perception_sha256"] == perceiver and views.info["data"] == [manifest_sha256(d) for d in data]
    return views if same else None


class _LanguageInputs:
    """The language model's inputs for the frames of a split, from a cache or perceived now."""

    def __init__(self, student: Student, reader: Reader, cached: PerceptionCache | None) -> None:
        self.student, self.reader, self.cached = student, reader, cached
        self.index = {} if cached is None else {cached[i].sample: i for i in range(len(cached))}

    def __getitem__(self, i: int) -> LanguageInput:
        device = next(self.student.parameters()).device
        key = self.reader.keys[i]
        if self.cached is not None and key in self.index:
            return map_tensors(self.cached[self.index[key]].language_input, lambda x: x.to(device))
        view = resize_uncropped(
            view_from_sample(self.reader[i]), area=self.student.config.image_area, multiple=self.student.multiple
        )
        with torch.inference_mode():
            return self.student.language_input(perceive_views(self.student, [view]))


def _ask(
    student: Student,
    language_inputs: _LanguageInputs,
    other: Path | None,
    asked: AskedConfig,
    attentions: list[tuple[Tensor, float]],
) -> dict[str, Any]:
    picked = evenly_spaced(len(language_inputs.reader), asked.frames)
    questions = question_set(language_inputs.reader, picked, asked.questions, asked.seed)
    with_attention = (
        set(evenly_spaced(len(questions), asked.attention_frames)) if can_show_attention(student) else set()
    )
    changed = conditions(student, other)
    right: dict[str, list[str]] = {name: [] for name in changed}
    families: list[str] = []
    frames: list[int] = []
    for number, (i, about) in enumerate(sorted(questions.items())):
        with torch.inference_mode():
            prefix = student.prefix(language_inputs[i])
            cache = student.cache(prefix)
        families += [q.family for q in about]
        frames += [i] * len(about)
        for name, embeddings in changed.items():
            with thoughts_as(student, embeddings):
                right[name] += _grade(about, [a.text for a in student.answer(cache, [q.text for q in about])])
        if number in with_attention:
            answered = [QuestionText(text=q.text, answer=q.fact.answer.text) for q in about]
            attentions.append(attention(student, prefix, answered))
    return {
        "families": families,
        "frames": frames,
        "right": {name: "".join(grades) for name, grades in right.items()},
        "perception": {}
        if language_inputs.cached is not None
        else _perception_figures(student, language_inputs.reader, picked),
    }


def _perception_figures(student: Student, reader: Reader, picked: Sequence[int]) -> dict[str, float]:
    """Depth and boxes of a split of rendered or of real pictures; those of real ones have a prefix."""
    prefix = "" if reader.scene(picked[0]).annotation.is_rendered else REAL
    figures = perception_figures(student, reader, picked, batch_size=4, prefix=prefix)
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _grade(questions: Sequence[Question], answers: Sequence[str]) -> list[str]:
    """1 for each right answer, 0 for each wrong one."""
    return [str(int(is_correct(q, parse_answer(text)))) for q, text in zip(questions, answers, strict=True)]
