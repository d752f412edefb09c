"""What a student perceives of a data set, computed once and kept on disk.

Language models that learn on the same frozen perception then cost what they cost themselves. A kept view is the input
of the language model (``LanguageInput``) and, for training, rounds of questions whose names are linked to the boxes
that were found. The folder has a part a split: ``cache.json`` and shards of safetensors and JSON, written one by one,
so that a stopped call goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from distill3d_ros.questions.question import Question
from distill3d_ros.questions.question_candidates import question_candidates
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.checkpoint import file_sha256
from distill3d_ros.student.outputs import LanguageInput, NameSpan, ObjectSet, QuestionText
from distill3d_ros.student.student import Student
from distill3d_ros.system.config_loading import to_dict
from distill3d_ros.system.files import only_one
from distill3d_ros.training.config import PERCEPTION_PARTS, AugmentConfig
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache, answers_sha256
from distill3d_ros.training.data.manifest import manifest_sha256, write_atomically
from distill3d_ros.training.data.mixture import Folders, Reader, open_split
from distill3d_ros.training.data.reading import describe_folders, evenly_spaced
from distill3d_ros.training.inputs.augmentation import (
    View,
    augment,
    jitter_color,
    resize_to,
    resize_uncropped,
    view_from_sample,
)
from distill3d_ros.training.inputs.object_matching import link_names_to_objects, match_objects
from distill3d_ros.training.inputs.question_sampling import Balance, balance_of, choose, worded
from distill3d_ros.training.inputs.targets import perceive_batch, perception_batch

FORMAT = 1
SHARD_VIEWS = 64
BATCH = 8
INDEX = "cache.json"
HALVED = ("feature", "patch_tokens")
"""Kept in float16: normalised features, most of the bytes."""


@dataclass(kw_only=True, slots=True)
class CacheConfig:
    """What is kept of the training and validation rooms."""

    views: int = 4000
    """Of the training rooms, evenly spread over the samples; where there are fewer samples they come again, changed
    otherwise."""
    validation_views: int = 100
    """Of the validation rooms, as they are."""
    rounds: int = 3
    """Times that questions are drawn about a training view; a step asks one round."""
    questions: int = 24
    """Questions a round."""
    seed: int = 0
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(sizes=((224, 224),), zoom=(0.8, 1.0)))
    teacher: str = ""
    """Folder of the answers that ``distill3d teach`` kept. Training views are then of what it has answered about, whole
    and in other colours, with one round of the questions that it was asked; validation views are as without it."""

    def __post_init__(self) -> None:
        for name in ("views", "validation_views", "rounds", "questions"):
            if getattr(self, name) < 1:
                raise ValueError(f"perception.{name} must be at least 1. Got {getattr(self, name)}")
        if len(self.augment.sizes) != 1:
            raise ValueError(f"perception.augment.sizes must be one size, for batches. Got {self.augment.sizes}")
        if self.teacher:
            self.augment.check_whole("perception.augment")
            if self.rounds != 1:
                raise ValueError(f"perception.rounds must be 1: a teacher was asked once. Got {self.rounds}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptView:
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


def cache_perception(
    student: Student,
    data: Folders,
    split: str,
    folder: Path,
    config: CacheConfig,
    *,
    views: int,
    report: Callable[[str], None] = print,
) -> Path:
    """Perceives ``views`` views of a split and keeps them in ``folder/split``; what is there already stays.

    Training views are augmented and have rounds of questions; those of ``val`` are whole and have one round; of other
    splits, whole views without questions are kept.

    Raises:
        ValueError: the folder holds what another student perceived, or of other data, or in other ways; or the teacher
            has answered about other data.
    """
    reader = open_split(data, split)
    if not len(reader):
        raise ValueError(f"{describe_folders(data)} has no samples of split {split!r}, whose perception is to be kept")
    target = folder / split
    wanted: dict[str, Any] = {
        "format": FORMAT,
        "perception_sha256": perception_sha256(student),
        "data": [manifest_sha256(d) for d in data],
        "split": split,
        "views": min(views, len(reader)) if split != "train" else views,
        "config": {k: v for k, v in json.loads(json.dumps(to_dict(config))).items() if k != "teacher"},
        "image_area": student.config.image_area,
        "teacher": answers_sha256(Path(config.teacher)) if config.teacher and split == "train" else None,
    }
    target.mkdir(parents=True, exist_ok=True)
    with only_one(target):
        index = _index_to_go_on(target, wanted)
        makes = _Maker(student, reader, data, folder, split, config, wanted["views"])
        shards = -(-wanted["views"] // SHARD_VIEWS)
        for number in range(len(index["shards"]), shards):
            index["shards"].append(makes.shard(number, target))
            write_atomically(target / INDEX, (json.dumps(index, indent=1) + "\n").encode())
            done = min((number + 1) * SHARD_VIEWS, wanted["views"])
            report(f"perception of {split}: {done}/{wanted['views']} views")
    return target


def _index_to_go_on(target: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    path = target / INDEX
    if not path.exists():
        return {**wanted, "shards": []}
    index: dict[str, Any] = json.loads(path.read_text())
    for key, value in wanted.items():
        if index.get(key) != value:
            raise ValueError(
                f"{path} has {key} {index.get(key)!r}, and {value!r} is wanted: it holds another perception. Delete "
                f"{target} to make it anew, or choose another --out"
            )
    return index


class _Maker:
    """Perceives and asks, shard by shard; what a shard holds depends on its number and the configuration alone."""

    def __init__(
        self, student: Student, reader: Reader, data: Folders, folder: Path, split: str, config: CacheConfig, views: int
    ) -> None:
        self.student, self.reader, self.split, self.config, self.views = student.eval(), reader, split, config, views
        self.lessons = TeacherCache(config.teacher, data) if config.teacher and split == "train" else None
        places = [i for i, key in enumerate(reader.keys) if self.lessons is None or key in self.lessons]
        if not places:
            raise ValueError(
                f"perception.teacher {config.teacher!r} has answers about no sample of {describe_folders(data)}"
            )
        picked = [places[i] for i in evenly_spaced(len(places), views)]
        self.picked = [picked[i % len(picked)] for i in range(views)]
        self.label_index = {name: i for i, name in enumerate(student.config.labels)}
        self.stride = student.encoder.patch_embed.patch_size
        self.rounds = {"train": config.rounds, "val": 1}.get(split, 0)
        self.balance = balance_of(data, folder) if self.rounds and self.lessons is None else Balance({})

    def shard(self, number: int, target: Path) -> dict[str, Any]:
        rng = np.random.default_rng([self.config.seed, 303, number, sum(self.split.encode())])
        places = range(number * SHARD_VIEWS, min((number + 1) * SHARD_VIEWS, self.views))
        tensors: dict[str, Tensor] = {}
        told: list[dict[str, Any]] = []
        for start in range(0, len(places), BATCH):
            views = [self._view(self.picked[i], rng) for i in places[start : start + BATCH]]
            given = self.split != "train" or rng.random() >= self.config.augment.without_up
            for group in _of_one_size(views):
                language_input = self._perceive(group, given)
                for b, view in enumerate(group):
                    tensors |= {f"{len(told)}.{name}": x for name, x in _tensors_of(language_input, b).items()}
                    asked = self._ask(language_input, b, view, rng)
                    told.append({"sample": view.key, "grid": list(language_input.grid), "rounds": asked})
        files = {f"{number:05d}.safetensors": save(tensors), f"{number:05d}.json": json.dumps(told).encode()}
        for name, content in files.items():
            write_atomically(target / name, content)
        sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        return {"views": len(told), "sha256": sha256}

    def _view(self, place: int, rng: np.random.Generator) -> View:
        view = replace(view_from_sample(self.reader[place]), key=self.reader.keys[place])
        config = self.config.augment
        if self.lessons is not None:
            view = resize_to(view, config.sizes[0])
            return replace(view, image=jitter_color(view.image, config.color, config.noise, rng))
        if self.split == "train":
            return augment(view, config, config.sizes[0], rng)
        return resize_uncropped(view, area=self.student.config.image_area, multiple=self.student.multiple)

    def _perceive(self, views: Sequence[View], up_given: bool) -> LanguageInput:
        height, width = views[0].image.shape[:2]
        grid = (height // self.stride, width // self.stride)
        batch = perception_batch(views, {}, min_visible_pixels=0, grid=grid, up_given=up_given)
        with torch.inference_mode():
            return self.student.language_input(
                perceive_batch(self.student, batch.to(next(self.student.parameters()).device))
            )

    def _ask(self, language_input: LanguageInput, b: int, view: View, rng: np.random.Generator) -> list[Any]:
        if not self.rounds:
            return []
        scene: Scene = view.scene
        found = match_objects(language_input.objects, b, scene, self.label_index)
        asked: list[Sequence[Question]]
        if self.lessons is not None:
            asked = [self.lessons[view.key].questions]
        else:
            known = question_candidates(scene)
            asked = [worded(choose(known, self.balance, self.config.questions, rng), rng) for _ in range(self.rounds)]
        return [
            [_to_json(q) for q in link_names_to_objects(questions, scene, found, self.label_index)]
            for questions in asked
        ]


class PerceptionCache:
    """Reads a part of a cache; the keys are numbers of views.

    Args:
        verify: also compare every shard with its checksum.

    Raises:
        ValueError: there is no cache, it is not finished, or a shard is missing or damaged.
    """

    def __init__(self, folder: Path, *, verify: bool = False) -> None:
        self.folder = folder
        try:
            self.info: dict[str, Any] = json.loads((folder / INDEX).read_text())
        except FileNotFoundError:
            raise ValueError(f"no perception is kept in {folder}: {INDEX} is missing; `ablate` makes it") from None
        there = sum(shard["views"] for shard in self.info["shards"])
        if there < self.info["views"]:
            raise ValueError(
                f"the kept perception in {folder} has {there} of {self.info['views']} views; the command that made it "
                "goes on"
            )
        for shard in self.info["shards"]:
            for name, sha256 in shard["sha256"].items():
                if not (folder / name).is_file() or (verify and file_sha256(folder / name) != sha256):
                    raise ValueError(f"{folder / name} is missing or damaged; delete {folder} to make it anew")
        self.keys = [str(i) for i in range(self.info["views"])]
        self._told: dict[int, list[dict[str, Any]]] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def refresh(self) -> int:
        """A cache does not grow."""
        return len(self.keys)

    def __getitem__(self, key: str | int) -> KeptView:
        shard, place = divmod(int(key), SHARD_VIEWS)
        if shard not in self._told:
            self._told[shard] = json.loads((self.folder / f"{shard:05d}.json").read_text())
        told = self._told[shard][place]
        path = self.folder / f"{shard:05d}.safetensors"
        try:
            with safe_open(path, "pt") as file:
                read = {name: file.get_tensor(f"{place}.{name}").float() for name in (*_OBJECTS, *_OTHERS)}
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged ({error}); delete {self.folder} to make it anew") from error
        objects = ObjectSet(
            **{name: read[name] for name in _OBJECTS}, mask=torch.ones(read["score"].shape, dtype=torch.bool)
        )
        language_input = LanguageInput(
            objects=objects, **{name: read[name] for name in _OTHERS}, grid=tuple(told["grid"])
        )
        rounds = tuple(tuple(_from_json(q) for q in questions) for questions in told["rounds"])
        return KeptView(sample=told["sample"], language_input=language_input, rounds=rounds)


def stacked(language_inputs: Sequence[LanguageInput]) -> LanguageInput:
    """Several sights of one grid as a batch."""
    objects = {f.name: torch.cat([getattr(s.objects, f.name) for s in language_inputs]) for f in fields(ObjectSet)}
    others = {name: torch.cat([getattr(s, name) for s in language_inputs]) for name in _OTHERS}
    return LanguageInput(objects=ObjectSet(**objects), **others, grid=language_inputs[0].grid)


_OBJECTS = ("center", "size", "yaw", "class_probs", "score", "feature")
_OTHERS = ("patch_tokens", "patch_points", "camera")


def _tensors_of(language_input: LanguageInput, b: int) -> dict[str, Tensor]:
    own = {name: getattr(language_input.objects, name) for name in _OBJECTS} | {
        name: getattr(language_input, name) for name in _OTHERS
    }
    kept = {}
    for name, x in own.items():
        kept[name] = x[b : b + 1].cpu().to(torch.float16 if name in HALVED else torch.float32).contiguous()
        if not torch.isfinite(kept[name]).all():
            raise ValueError(
                f"{name} of a perception must be finite in {kept[name].dtype} to be kept. Got infinity or NaN"
            )
    return kept


def _of_one_size(views: Sequence[View]) -> list[list[View]]:
    groups: dict[tuple[int, ...], list[View]] = {}
    for view in views:
        groups.setdefault(view.image.shape, []).append(view)
    return list(groups.values())


def _to_json(question: QuestionText) -> list[Any]:
    return [question.text, question.answer, [[n.start, n.end, n.label, n.objects] for n in question.names]]


def _from_json(row: Sequence[Any]) -> QuestionText:
    names = tuple(
        NameSpan(start=start, end=end, label=label, objects=None if objects is None else tuple(objects))
        for start, end, label, objects in row[2]
    )
    return QuestionText(text=row[0], answer=row[1], names=names)
