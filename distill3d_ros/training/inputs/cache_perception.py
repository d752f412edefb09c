"""The writer of a perception cache: a frozen student perceives a data set once.

Shards are written one by one, so that a stopped call goes on; ``perception_cache`` says what they hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from distill3d_ros.questions.ground_truth.question import Question
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.scene.objects import Scene
from distill3d_ros.student.outputs import LanguageInput
from distill3d_ros.student.student import Student
from distill3d_ros.system.config_loading import to_dict
from distill3d_ros.system.files import only_writer, write_whole
from distill3d_ros.system.resumable_folder import ResumableFolder
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache, answers_sha256
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.data.mixture import Folders, Reader, open_split
from distill3d_ros.training.data.reading import describe_folders, evenly_spaced
from distill3d_ros.training.inputs.augmentation import (
    View,
    augment,
    resize_to,
    resize_uncropped,
    view_from_sample,
)
from distill3d_ros.training.inputs.camera_effects import random_camera
from distill3d_ros.training.inputs.object_matching import link_names_to_objects, match_objects
from distill3d_ros.training.inputs.perception_cache import (
    SHARD_VIEWS,
    perception_sha256,
    question_to_json,
    resumable_perception,
    view_tensors,
)
from distill3d_ros.training.inputs.question_sampling import (
    Balance,
    balance_from_data,
    choose_questions,
    phrase_questions,
)
from distill3d_ros.training.inputs.targets import perceive_views

BATCH = 8
"""Views that are perceived together."""


@dataclass(kw_only=True, slots=True)
class CacheConfig:
    """Extent of the cache: views and questions of the training and validation rooms."""

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
    """Perceives ``views`` views of a split and stores the perception in ``folder/split``; what is there already stays.

    Training views are augmented and have rounds of questions; those of ``val`` are whole and have one round; of other
    splits, whole views without questions are kept.

    Raises:
        ValueError: the folder holds the perception of another student, of other data, or made in another way; or the
            teacher has answered about other data.
    """
    reader = open_split(data, split)
    if not len(reader):
        raise ValueError(f"{describe_folders(data)} has no samples of split {split!r} to cache the perception of")
    target = folder / split
    wanted: dict[str, Any] = {
        "perception_sha256": perception_sha256(student),
        "data": [manifest_sha256(d) for d in data],
        "split": split,
        "views": min(views, len(reader)) if split != "train" else views,
        "config": {k: v for k, v in json.loads(json.dumps(to_dict(config))).items() if k != "teacher"},
        "image_area": student.config.image_area,
        "teacher": answers_sha256(Path(config.teacher)) if config.teacher and split == "train" else None,
    }
    folder_index = resumable_perception(target)
    with only_writer(target):
        rows = _finished_shards(folder_index, wanted)
        maker = _ShardMaker(student, reader, data, folder, split, config, wanted["views"])
        for number in range(len(rows), -(-wanted["views"] // SHARD_VIEWS)):
            rows.append(maker.shard(number, target))
            folder_index.write({**wanted, "shards": rows})
            done = min((number + 1) * SHARD_VIEWS, wanted["views"])
            report(f"perception of {split}: {done}/{wanted['views']} views")
    return target


def _finished_shards(folder: ResumableFolder, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the index, of the shards before the first one that is missing or damaged.

    Raises:
        ValueError: the folder was made from something else than ``wanted``.
    """
    if not folder.is_begun:
        return []
    index = folder.read()
    rows = index.pop("shards")
    folder.check_same(index, wanted)
    return list(takewhile(lambda row: all(folder.is_whole(n, sha256=s) for n, s in row["sha256"].items()), rows))


class _ShardMaker:
    """Perceives and asks, shard by shard; what a shard holds depends on its number and the configuration alone."""

    def __init__(
        self, student: Student, reader: Reader, data: Folders, folder: Path, split: str, config: CacheConfig, views: int
    ) -> None:
        self.student, self.reader, self.split, self.config, self.views = student.eval(), reader, split, config, views
        self.teacher_cache = TeacherCache(config.teacher, data) if config.teacher and split == "train" else None
        usable = [i for i, key in enumerate(reader.keys) if self.teacher_cache is None or key in self.teacher_cache]
        if not usable:
            raise ValueError(
                f"perception.teacher {config.teacher!r} has answers about no sample of {describe_folders(data)}"
            )
        picked = [usable[i] for i in evenly_spaced(len(usable), views)]
        self.sample_numbers = [picked[i % len(picked)] for i in range(views)]
        self.label_index = {name: i for i, name in enumerate(student.config.labels)}
        self.rounds = {"train": config.rounds, "val": 1}.get(split, 0)
        draws = self.rounds and self.teacher_cache is None
        self.balance = balance_from_data(data, folder) if draws else Balance({})

    def shard(self, number: int, target: Path) -> dict[str, Any]:
        """Writes the files of a shard; returns its row of the index."""
        rng = np.random.default_rng([self.config.seed, 303, number, sum(self.split.encode())])
        numbers = self.sample_numbers[number * SHARD_VIEWS : (number + 1) * SHARD_VIEWS]
        tensors: dict[str, Tensor] = {}
        rows: list[dict[str, Any]] = []
        for start in range(0, len(numbers), BATCH):
            views = [self._view(i, rng) for i in numbers[start : start + BATCH]]
            up_given = self.split != "train" or rng.random() >= self.config.augment.without_up
            for group in _of_one_size(views):
                with torch.inference_mode():
                    language_input = self.student.language_input(perceive_views(self.student, group, up_given=up_given))
                for b, view in enumerate(group):
                    tensors |= {f"{len(rows)}.{name}": x for name, x in view_tensors(language_input, b).items()}
                    rounds = self._question_rounds(language_input, b, view, rng)
                    rows.append({"sample": view.key, "grid": list(language_input.grid), "rounds": rounds})
        files = {f"{number:05d}.safetensors": save(tensors), f"{number:05d}.json": json.dumps(rows).encode()}
        for name, content in files.items():
            write_whole(target / name, content)
        sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        return {"views": len(rows), "sha256": sha256}

    def _view(self, number: int, rng: np.random.Generator) -> View:
        view = replace(view_from_sample(self.reader[number]), key=self.reader.keys[number])
        config = self.config.augment
        if self.teacher_cache is not None:
            view = resize_to(view, config.sizes[0])
            return replace(view, image=random_camera(view.image, config, rng))
        if self.split == "train":
            return augment(view, config, config.sizes[0], rng)
        return resize_uncropped(view, area=self.student.config.image_area, multiple=self.student.multiple)

    def _question_rounds(
        self, language_input: LanguageInput, b: int, view: View, rng: np.random.Generator
    ) -> list[list[Any]]:
        """The rounds of questions about view ``b`` of a batch, as JSON."""
        if not self.rounds:
            return []
        scene: Scene = view.scene
        found = match_objects(language_input.objects, b, scene, self.label_index)
        rounds: list[Sequence[Question]]
        if self.teacher_cache is not None:
            rounds = [self.teacher_cache[view.key].questions]
        else:
            candidates = question_candidates(scene)
            rounds = [
                phrase_questions(choose_questions(candidates, self.balance, self.config.questions, rng), rng)
                for _ in range(self.rounds)
            ]
        return [
            [question_to_json(q) for q in link_names_to_objects(questions, scene, found, self.label_index)]
            for questions in rounds
        ]


def _of_one_size(views: Sequence[View]) -> list[list[View]]:
    groups: dict[tuple[int, ...], list[View]] = {}
    for view in views:
        groups.setdefault(view.image.shape, []).append(view)
    return list(groups.values())
