"""A teacher whose answers are made up beside the truth, and rooms for it to answer about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from support.training.tiny_training import LABELS, six_objects

from distill3d_ros.student.language.text import tokenizer_sha256
from distill3d_ros.student.student import Student
from distill3d_ros.system.files import file_sha256
from distill3d_ros.training.data.answers.answer_shards import CachedSample, encode_shard
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.answers.teacher_cache import CacheInfo, CacheShard, TeacherCache, data_identity
from distill3d_ros.training.data.manifest import Manifest, write_manifest
from distill3d_ros.training.data.mixture import open_split
from distill3d_ros.training.data.shards import ShardWriter
from distill3d_ros.training.inputs.question_sampling import Balance, sample_questions

KEYS = [f"train-{room:06d}-{frame:02d}" for room in range(2) for frame in range(2)]
WIDTH = 64


class InventedCache(TeacherCache):
    """Answers in memory, read as a cache on disk is."""

    def __init__(self, info: CacheInfo, samples: dict[str, CachedSample] | None = None) -> None:
        self.info, self.samples = info, samples or {}

    def __contains__(self, key: object) -> bool:
        return key in self.samples

    def __getitem__(self, key: str) -> CachedSample:
        return self.samples[key]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def change(self, key: str, **changes: Any) -> None:
        """Other answers, or another perception, of one sample."""
        self.samples[key] = replace(self.samples[key], **changes)


def cache_info(data: Path, **changes: Any) -> CacheInfo:
    settings: dict[str, Any] = {
        "teacher": "invented",
        "description": {},
        "tokenizer_sha256": None,
        "data": data_identity((data,)),
        "split": "train",
        "seed": 0,
        "questions": 8,
        "shard_samples": 64,
        "samples": 0,
        "top_k": 2,
        "hidden_size": WIDTH,
    }
    return CacheInfo(**{**settings, **changes})


def two_rooms(folder: Path) -> Path:
    """Two rooms with two pictures each of the same view, so that both show the same surfaces."""
    infos = []
    for split, keys in (("train", KEYS), ("val", [k.replace("train", "val") for k in KEYS[:2]])):
        with ShardWriter(folder, split=split, number=0, first_room=0, rooms=2) as writer:
            for key in keys:
                one = six_objects(split, int(key.split("-")[1]))
                image = np.random.default_rng(len(key) + int(key[-1])).integers(0, 255, one.frame.image.shape, np.uint8)
                frame = replace(one.frame, image=image, world_from_camera=np.eye(4))
                writer.add(replace(one, key=key, frame=frame, room=key[:-3]))
        infos.append(writer.info)
    manifest = Manifest(recipe={"seed": 0}, planned_rooms={"train": 2, "val": 1}, shards=tuple(infos))
    write_manifest(folder, manifest)
    return folder


def invented(student: Student, data: Path, *, labels: tuple[str, ...] | None = None, **changes: Any) -> InventedCache:
    """The true answers, but "yes" to every third question; the true boxes and depth; hidden states at random."""
    labels = tuple(student.config.labels) if labels is None else labels
    changes = {"tokenizer_sha256": tokenizer_sha256(student.language.tokenizer), **changes}
    info = cache_info(data, labels=labels, **changes)
    rng = np.random.default_rng(0)
    reader = open_split((data,), "train")
    samples = {}
    for number, key in enumerate(reader.keys):
        one = reader[number]
        asked = sample_questions(one.scene, Balance({}), 8, rng)
        probs = np.full((len(LABELS), len(student.config.labels)), 0.02, np.float32)
        for i, o in enumerate(one.scene.objects):
            probs[i, student.config.labels.index(o.label)] = 0.9
        boxes = [o.box for o in one.scene.objects]
        samples[key] = CachedSample(
            key=key,
            questions=tuple(asked),
            answers=tuple(
                answer(student, q.fact.answer.text if i % 3 else "yes", info, rng) for i, q in enumerate(asked)
            ),
            perception=TeacherPerception(
                depth=np.asarray(one.scene.depth)[2::4, 2::4],
                log_error=None,
                center_level=np.stack([b.center for b in boxes]),
                size=np.stack([b.size for b in boxes]),
                yaw=np.array([b.yaw for b in boxes]),
                class_probs=probs,
                labels=labels,
            ),
        )
    return InventedCache(info, samples)


def answer(student: Student, text: str, info: CacheInfo, rng: np.random.Generator) -> TeacherAnswer:
    ids = [*student.language.encoder.encode(text).ids, student.language.encoder.end]
    return TeacherAnswer(
        text=text,
        top_tokens=np.array([[i, (i + 1) % 100] for i in ids]) if info.top_k else None,
        top_logits=np.log(np.array([[0.8, 0.1]] * len(ids))) if info.top_k else None,
        hidden=rng.normal(size=info.hidden_size) if info.hidden_size else None,
    )


def written(cache: InventedCache, folder: Path) -> Path:
    """The answers as `distill3d teach` leaves them."""
    folder.mkdir()
    samples = list(cache.samples.values())
    file = folder / "train-000000.safetensors"
    file.write_bytes(encode_shard(samples))
    size = file.stat().st_size
    shard = CacheShard(file=file.name, keys=tuple(cache.samples), bytes=size, sha256=file_sha256(file))
    replace(cache.info, samples=len(samples), shards=(shard,)).write(folder)
    return folder
