"""What a trained variant answers: every question right or wrong, as trained and with its thoughts changed."""

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

from distill3d_ros.questions.question import Question, is_correct
from distill3d_ros.student.checkpoint import load_student, read_description
from distill3d_ros.student.outputs import LanguageInput, Perception, QuestionText, map_tensors
from distill3d_ros.student.student import Student
from distill3d_ros.training.ablation.plan import AskedConfig
from distill3d_ros.training.ablation.runs import Run, others_of
from distill3d_ros.training.ablation.thoughts import AS_TRAINED, attention, can_show_attention, conditions, thoughts_as
from distill3d_ros.training.data.manifest import manifest_sha256, write_atomically
from distill3d_ros.training.data.mixture import Folders, Reader, open_split
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.evaluation.detections import detected_scenes
from distill3d_ros.training.evaluation.grading import parse_answer
from distill3d_ros.training.evaluation.metrics import DepthScore, box_score, depth_score, mean_depth_score
from distill3d_ros.training.evaluation.question_sets import question_set
from distill3d_ros.training.inputs.augmentation import View, resize_uncropped, view_from_sample
from distill3d_ros.training.inputs.perception_cache import PerceptionCache, perception_sha256
from distill3d_ros.training.inputs.targets import perceive_batch, perception_batch

MEASURED = "measured.json"


def measuring_key(student: Path, other: Path | None, asked: AskedConfig, data: Folders) -> str:
    """Names a measurement: the student, the other seed's, the questions and the data."""
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
    """Asks a student everything and writes ``run/measured.json``; returns its content.

    Args:
        other: folder of the same variant's student from another seed, whose thoughts are tried.
        cache: kept perceptions; a student that perceives otherwise looks at the pictures itself, and its depth and
            boxes are measured too.
    """
    student = load_student(student_folder, device)
    eyes = perception_sha256(student)
    splits: dict[str, Any] = {}
    paid: list[tuple[Tensor, float]] = []
    for split in asked.splits:
        reader = open_split(data, split)
        if not len(reader):
            raise ValueError(f"evaluate.splits: the data has no samples of {split!r}; leave it out")
        kept = _kept(cache / split, eyes, data)
        language_inputs = _Sights(student, reader, kept)
        splits[split] = _ask(student, language_inputs, other, asked, paid)
        right = splits[split]["right"][AS_TRAINED]
        report(f"{run.parent.name} {run.name}: {split} {right.count('1') / max(1, len(right)):.3f} of {len(right)}")
    result = {
        "key": measuring_key(student_folder, other, asked, data),
        "parameters": sum(p.numel() for p in student.language.parameters()),
        "thoughts": len(student.language.thoughts.tokens),
        "splits": splits,
        "attention": None
        if not paid
        else {
            "layers": torch.stack([p for p, _ in paid]).mean(0).tolist(),
            "uniform": float(np.mean([u for _, u in paid])),
        },
    }
    write_atomically(run / MEASURED, (json.dumps(result) + "\n").encode())
    return result


def _kept(folder: Path, eyes: str, data: Folders) -> PerceptionCache | None:
    """The kept perception of a split, if it is that of this student on this data."""
    if not folder.is_dir():
        return None
    views = PerceptionCache(folder)
    same = views.info["perception_sha256"] == eyes and views.info["data"] == [manifest_sha256(d) for d in data]
    return views if same else None


class _Sights:
    """What a student sees of the frames of a split, kept or looked at now."""

    def __init__(self, student: Student, reader: Reader, kept: PerceptionCache | None) -> None:
        self.student, self.reader, self.kept = student, reader, kept
        self.place = {} if kept is None else {kept[i].sample: i for i in range(len(kept))}
        self.depth: list[DepthScore | None] = []
        self.found: list[Any] = []
        self.true: list[Any] = []

    def __getitem__(self, i: int) -> LanguageInput:
        device = next(self.student.parameters()).device
        key = self.reader.keys[i]
        if self.kept is not None and key in self.place:
            return map_tensors(self.kept[self.place[key]].language_input, lambda x: x.to(device))
        sample = self.reader[i]
        view = resize_uncropped(
            view_from_sample(sample), area=self.student.config.image_area, multiple=self.student.multiple
        )
        seen = self._look(view, device)
        self.depth.append(depth_score(seen.depth[0, 0].float().cpu().numpy(), view.depth))
        self.found += detected_scenes(seen, self.student.config.labels, [sample.scene])
        self.true.append(sample.scene)
        return self.student.language_input(seen)

    def _look(self, view: View, device: torch.device) -> Perception:
        stride = self.student.encoder.patch_embed.patch_size
        grid = (view.image.shape[0] // stride, view.image.shape[1] // stride)
        batch = perception_batch([view], {}, min_visible_pixels=0, grid=grid).to(device)
        with torch.inference_mode():
            return perceive_batch(self.student, batch)

    def figures(self) -> dict[str, float]:
        """Of depth and boxes, of the frames that were looked at; none if all were kept."""
        score = mean_depth_score(self.depth)
        if not self.true or score is None:
            return {}
        boxes = box_score(self.found, self.true)
        found = {**score.to_dict(), "map25": boxes.mean(0.25), "map50": boxes.mean(0.5)}
        return {name: value for name, value in found.items() if math.isfinite(value)}


def _ask(
    student: Student, language_inputs: _Sights, other: Path | None, asked: AskedConfig, paid: list[tuple[Tensor, float]]
) -> dict[str, Any]:
    picked = evenly_spaced(len(language_inputs.reader), asked.frames)
    questions = question_set(language_inputs.reader, picked, asked.questions, asked.seed)
    watched = set(evenly_spaced(len(questions), asked.attention_frames)) if can_show_attention(student) else set()
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
                right[name] += _marks(about, [a.text for a in student.answer(cache, [q.text for q in about])])
        if number in watched:
            told = [QuestionText(text=q.text, answer=q.fact.answer.text) for q in about]
            paid.append(attention(student, prefix, told))
    return {
        "families": families,
        "frames": frames,
        "right": {name: "".join(marks) for name, marks in right.items()},
        "perception": language_inputs.figures(),
    }


def _marks(questions: Sequence[Question], said: Sequence[str]) -> list[str]:
    return [str(int(is_correct(q, parse_answer(text)))) for q, text in zip(questions, said, strict=True)]
