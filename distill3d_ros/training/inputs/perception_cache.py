"""Cached perception of a data set: the format, and its reader.

Language models that learn on the same frozen perception then cost what they cost themselves. A cached view is the input
of the language model (``LanguageInput``) and, for training, rounds of questions whose names are linked to the boxes
that were found. The folder has a part a split: ``cache.json`` and shards of safetensors and JSON; ``cache_perception``
writes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from distill3d_ros.student.outputs import LanguageInput, NameSpan, ObjectSet, QuestionText
from distill3d_ros.student.student import Student
from distill3d_ros.system.resumable_folder import ResumableFolder
from distill3d_ros.training.config import PERCEPTION_PARTS

FORMAT = 1
SHARD_VIEWS = 64
INDEX = "cache.json"
HALVED = ("feature", "patch_tokens")
"""Kept in float16: normalised features, most of the bytes."""


_OBJECTS = ("center", "size", "yaw", "class_probs", "score", "feature")
_OTHERS = ("patch_tokens", "patch_points", "camera")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedView:
    """One view of a cache; B = 1."""

    sample: str
    """Key of the sample that it shows."""
    language_input: LanguageInput
    rounds: tuple[tuple[QuestionText, ...], ...]


def perception_sha256(student: Student) -> str:
    """Names what decides a student's perception: its weights, buffers included, without the language model."""
    digest = hashlib.sha256()
    for part in PERCEPTION_PARTS:
        for name, tensor in getattr(student, part).state_dict().items():
            digest.update(f"{part}.{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def resumable_perception(folder: Path) -> ResumableFolder:
    """A part of a cache, as what is made piece by piece."""
    return ResumableFolder(
        path=folder,
        index=INDEX,
        holds="cached perception",
        version=FORMAT,
        version_key="format",
        missing="`distill3d ablate` makes it",
        remedy=f"delete {folder} to make it again",
    )


class PerceptionCache:
    """Reads a part of a cache; the keys are numbers of views.

    Args:
        verify: also compare every shard with its checksum.

    Raises:
        ValueError: there is no cache, it is not finished, or a shard is missing or damaged.
    """

    def __init__(self, folder: Path, *, verify: bool = False) -> None:
        self.folder = folder
        resumable = resumable_perception(folder)
        self.info = resumable.read()
        there = sum(shard["views"] for shard in self.info["shards"])
        if there < self.info["views"]:
            raise ValueError(
                f"the cached perception in {folder} has {there} of {self.info['views']} views; the command that made "
                "it goes on"
            )
        for shard in self.info["shards"]:
            for name, sha256 in shard["sha256"].items():
                resumable.check(name, sha256=sha256 if verify else None)
        self.keys = [str(i) for i in range(self.info["views"])]
        self._views_of_shard: dict[int, list[dict[str, Any]]] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def refresh(self) -> int:
        """A cache does not grow."""
        return len(self.keys)

    def __getitem__(self, key: str | int) -> CachedView:
        shard, number = divmod(int(key), SHARD_VIEWS)
        if shard not in self._views_of_shard:
            self._views_of_shard[shard] = json.loads((self.folder / f"{shard:05d}.json").read_text())
        entry = self._views_of_shard[shard][number]
        path = self.folder / f"{shard:05d}.safetensors"
        try:
            with safe_open(path, "pt") as file:
                read = {name: file.get_tensor(f"{number}.{name}").float() for name in (*_OBJECTS, *_OTHERS)}
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged ({error}); delete {self.folder} to make it again") from error
        objects = ObjectSet(
            **{name: read[name] for name in _OBJECTS}, mask=torch.ones(read["score"].shape, dtype=torch.bool)
        )
        language_input = LanguageInput(
            objects=objects, **{name: read[name] for name in _OTHERS}, grid=tuple(entry["grid"])
        )
        rounds = tuple(tuple(_question_from_json(q) for q in questions) for questions in entry["rounds"])
        return CachedView(sample=entry["sample"], language_input=language_input, rounds=rounds)


def stack_inputs(language_inputs: Sequence[LanguageInput]) -> LanguageInput:
    """Several inputs of one grid as a batch."""
    objects = {f.name: torch.cat([getattr(s.objects, f.name) for s in language_inputs]) for f in fields(ObjectSet)}
    others = {name: torch.cat([getattr(s, name) for s in language_inputs]) for name in _OTHERS}
    return LanguageInput(objects=ObjectSet(**objects), **others, grid=language_inputs[0].grid)


def view_tensors(language_input: LanguageInput, b: int) -> dict[str, Tensor]:
    """The tensors of view ``b`` of a batch as a shard holds them.

    Raises:
        ValueError: one of them is not finite in its precision.
    """
    tensors = {name: getattr(language_input.objects, name) for name in _OBJECTS} | {
        name: getattr(language_input, name) for name in _OTHERS
    }
    stored = {}
    for name, x in tensors.items():
        stored[name] = x[b : b + 1].cpu().to(torch.float16 if name in HALVED else torch.float32).contiguous()
        if not torch.isfinite(stored[name]).all():
            raise ValueError(
                f"{name} of a perception must be finite in {stored[name].dtype} to be cached. Got infinity or NaN"
            )
    return stored


def question_to_json(question: QuestionText) -> list[Any]:
    """A question as a shard holds it."""
    return [question.text, question.answer, [[n.start, n.end, n.label, n.objects] for n in question.names]]


def _question_from_json(row: Sequence[Any]) -> QuestionText:
    names = tuple(
        NameSpan(start=start, end=end, label=label, objects=None if objects is None else tuple(objects))
        for start, end, label, objects in row[2]
    )
    return QuestionText(text=row[0], answer=row[1], names=names)
