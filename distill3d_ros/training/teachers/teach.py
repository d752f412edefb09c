"""``distill3d teach``: a teacher answers questions about a data set once, for all students that learn from it.

Nothing of it is lost when it is stopped in whatever way: finished shards are kept, and the same command goes on.
"""

from __future__ import annotations

import hashlib
import importlib
import shutil
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.scene.facts import facts
from distill3d_ros.scene.objects import Scene
from distill3d_ros.scene.questions import Question, is_correct
from distill3d_ros.training.asking import Balance, choose, worded
from distill3d_ros.training.batches import in_words, spread
from distill3d_ros.training.data import progress
from distill3d_ros.training.data.data_folder import only_writer
from distill3d_ros.training.data.manifest import write_atomically
from distill3d_ros.training.data.mixture import Folders, Reader, open_split
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.language_stages import balance_of, spoken
from distill3d_ros.training.teachers import TOP_K, Teacher
from distill3d_ros.training.teachers.cache import (
    MANIFEST_NAME,
    CacheError,
    CacheInfo,
    CacheShard,
    check_shard,
    data_identity,
    read_info,
)
from distill3d_ros.training.teachers.shard import CachedSample, encode_shard
from distill3d_ros.training.train import torch_device

TEACHERS = ("privileged", "llava3d", "transformers_vlm")
"""Each is a module beside this one."""
SHARD_SAMPLES = 64
MEASURED = 100
"""Samples on which a teacher's own accuracy is measured first."""
_REPORT_S = 30.0
Counts = dict[str, dict[str, int]]


def make_teacher(kind: str, model: str, *, device: str = "auto", top_k: int = TOP_K) -> Teacher:
    """Loads a teacher.

    Args:
        kind: one of TEACHERS.
        model: a folder or a hub's id; what it must hold is the kind's business.
    """
    if kind not in TEACHERS:
        raise ValueError(f"teacher must be one of {', '.join(TEACHERS)}. Got {kind!r}")
    module = importlib.import_module(f"distill3d_ros.training.teachers.{kind}")
    return module.load_teacher(model, device=torch_device(device), top_k=top_k)


def teach(
    teacher: Teacher,
    data: Folders,
    out: str | Path,
    *,
    split: str = "train",
    questions: int = 24,
    seed: int = 0,
    limit: int = 0,
    measured: int = MEASURED,
    shard_samples: int = SHARD_SAMPLES,
    report: Callable[[str], None] = print,
) -> CacheInfo:
    """Writes a teacher's answers about the samples of a split into ``out``; goes on where it was stopped.

    Samples are taken in an order that ``seed`` decides, so that a part of them is of many rooms.

    Args:
        questions: at most so many about each sample, chosen as in training and stored with the answers.
        limit: only so many samples; 0 takes all. A larger number later adds to what is there.
        measured: samples of the validation split (of ``split`` where there is none) on which the teacher is marked
            against geometry first.

    Raises:
        ValueError: there are no such samples, or ``out`` holds answers of another kind.
        OSError: the folder cannot be written to, or the disk is full.
    """
    out = Path(out)
    reader = open_split(data, split)
    if not len(reader):
        raise ValueError(f"{in_words(data)} has no samples of split {split!r}")
    for name, value in (("questions", questions), ("shard_samples", shard_samples)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1. Got {value}")
    order = np.random.default_rng([seed, 303]).permutation(len(reader))[: limit or None].tolist()
    wanted = CacheInfo(
        teacher=teacher.name,
        description=teacher.describe(),
        tokenizer_sha256=teacher.tokenizer_sha256,
        data=data_identity(data),
        split=split,
        seed=seed,
        questions=questions,
        shard_samples=shard_samples,
        samples=len(order),
    )
    with only_writer(out):
        info = _to_go_on_with(out, wanted, [[reader.keys[i] for i in part] for part in _parts(order, shard_samples)])
        balance = balance_of(data, out)
        if not info.accuracy:
            info = replace(info, accuracy=_measure(teacher, data, reader, balance, seed, measured, report))
            info.write(out)
        report(f"{teacher.name}: {accuracy_in_words(info.accuracy)}")
        return _Work(teacher, reader, balance, info, out, report).run(order)


class _Work:
    """The samples that are still to be answered about, shard by shard."""

    def __init__(
        self,
        teacher: Teacher,
        reader: Reader,
        balance: Balance,
        info: CacheInfo,
        out: Path,
        report: Callable[[str], None],
    ) -> None:
        self.teacher, self.reader, self.balance, self.info = teacher, reader, balance, info
        self.out, self.report = out, report
        self.began = self.told = time.monotonic()
        self.there = self.done = sum(len(s.keys) for s in info.shards)
        self.asked = 0

    def run(self, order: Sequence[int]) -> CacheInfo:
        finished = {s.file for s in self.info.shards}
        if finished:
            self.report(f"{self.out}: {self.done} of {self.info.samples} samples are there already")
        for number, part in enumerate(_parts(order, self.info.shard_samples)):
            file = f"{self.info.split}-{number:06d}.safetensors"
            if file in finished:
                continue
            samples = [self._sample(i) for i in part]
            self._keep(file, samples)
            if len(self.info.shards) == len(finished) + 1:
                self._tell_of_the_disk()
        self.report(f"{self.out}: {self.done} samples, {progress.in_words(self.info.bytes)}")
        return self.info

    def _sample(self, number: int) -> CachedSample:
        key, sample = self.reader.keys[number], self.reader[number]
        asked = questions_about(sample.scene, key, self.balance, number=self.info.questions, seed=self.info.seed)
        said = self.teacher.answer(sample, [q.text for q in asked]) if asked else []
        seen = self.teacher.perceive(sample)
        self.done += 1
        self.asked += len(asked)
        if time.monotonic() - self.told > _REPORT_S:
            self._tell()
        return CachedSample(key=key, questions=tuple(asked), answers=tuple(said), perception=seen)

    def _keep(self, file: str, samples: Sequence[CachedSample]) -> None:
        blob = encode_shard(samples)
        try:
            write_atomically(self.out / file, blob)
            shard = CacheShard(
                file=file,
                keys=tuple(s.key for s in samples),
                bytes=len(blob),
                sha256=hashlib.sha256(blob).hexdigest(),
            )
            shards = sorted((*self.info.shards, shard), key=lambda s: s.file)
            self.info = replace(self.info, shards=tuple(shards), **_shape(samples, self.info))
            self.info.write(self.out)
        except OSError as error:
            kept = len(self.info.shards)
            raise OSError(
                f"could not write {self.out / file}: {error.strerror or error}; is the disk full? The {kept} shards "
                "before it are kept, and the same command goes on"
            ) from error
        self._tell()

    def _tell(self) -> None:
        self.told = time.monotonic()
        rate = (self.done - self.there) / max(self.told - self.began, 1e-3)
        left = (self.info.samples - self.done) / max(rate, 1e-9)
        end = time.strftime("%a %H:%M", time.localtime(time.time() + left))
        self.report(
            f"teach {self.done}/{self.info.samples}  {rate:.2g} samples/s, "
            f"{self.asked / max(self.told - self.began, 1e-3):.3g} questions/s  {progress.in_words(self.info.bytes)}  "
            f"{left / 60:.0f} min left, done {end}"
        )

    def _tell_of_the_disk(self) -> None:
        """After the first shard, from which the rest can be told."""
        each = self.info.bytes / sum(len(s.keys) for s in self.info.shards)
        needed = each * (self.info.samples - sum(len(s.keys) for s in self.info.shards))
        free = shutil.disk_usage(self.out).free
        text = f"{progress.in_words(needed + self.info.bytes)} in all, {progress.in_words(free)} are free on the disk"
        self.report(text if needed < free else f"{text}: NOT ENOUGH; make room, or give --limit")


def questions_about(scene: Scene, key: str, balance: Balance, *, number: int, seed: int) -> list[Question]:
    """What is asked about a sample: the same at every call, whatever else is asked about other samples."""
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    return worded(choose(facts(scene), balance, number, rng), scene, rng)


def measure_accuracy(
    teacher: Teacher, reader: Reader, balance: Balance, *, split: str, samples: int, seed: int = 0
) -> dict[str, Any]:
    """How often the teacher is right: ``split``, ``samples``, ``overall`` and ``families``, each (right, asked)."""
    counts: Counts = defaultdict(lambda: {"right": 0, "asked": 0})
    picked = spread(len(reader), samples)
    for i in picked:
        sample: Sample = reader[i]
        asked = questions_about(sample.scene, reader.keys[i], balance, number=16, seed=seed)
        for question, said in zip(asked, teacher.answer(sample, [q.text for q in asked]) if asked else [], strict=True):
            for row in (question.family, "overall"):
                counts[row]["asked"] += 1
                counts[row]["right"] += is_correct(question, spoken(said.text))
    overall = counts.pop("overall", {"right": 0, "asked": 0})
    return {"split": split, "samples": len(picked), "overall": overall, "families": dict(sorted(counts.items()))}


def accuracy_in_words(accuracy: Mapping[str, Any]) -> str:
    """ "0.88 right in 1600 questions about 100 samples of val: contact 0.91 (120), ..."."""
    overall, families = accuracy["overall"], accuracy["families"]
    if not overall["asked"]:
        return "not measured: no questions could be asked"
    each = ", ".join(f"{name} {c['right'] / c['asked']:.2f} ({c['asked']})" for name, c in families.items())
    return (
        f"{overall['right'] / overall['asked']:.3f} right in {overall['asked']} questions about "
        f"{accuracy['samples']} samples of {accuracy['split']}: {each}"
    )


def _measure(
    teacher: Teacher,
    data: Folders,
    reader: Reader,
    balance: Balance,
    seed: int,
    samples: int,
    report: Callable[[str], None],
) -> dict[str, Any]:
    split, validation = "val", open_split(data, "val")
    if not len(validation):
        split, validation = "the samples taught", reader
    report(f"{teacher.name}: measuring its own accuracy on {min(samples, len(validation))} samples first")
    return measure_accuracy(teacher, validation, balance, split=split, samples=samples, seed=seed)


def _to_go_on_with(out: Path, wanted: CacheInfo, keys: Sequence[Sequence[str]]) -> CacheInfo:
    """What ``out`` holds of the wanted cache; ``wanted`` itself where nothing is there.

    Shards that are damaged, or that would have more samples by now, are made again.
    """
    if not (out / MANIFEST_NAME).exists():
        return wanted
    there = read_info(out)
    before, now = _settings(there), _settings(wanted)
    different = [
        f"{name} was {before.get(name)!r} and is now {now.get(name)!r}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    if different:
        raise CacheError(
            f"{out} holds answers that were made in another way: {'; '.join(different)}. Give the same settings to go "
            "on there, or another --out"
        )
    done = sum(len(s.keys) for s in there.shards)
    if wanted.samples < done:
        raise CacheError(f"{out} holds answers about {done} samples; --limit must not be less. Got {wanted.samples}")
    kept = []
    for shard in there.shards:
        number = int(shard.file.rpartition("-")[2].partition(".")[0])
        if tuple(keys[number]) == shard.keys:
            try:
                check_shard(out, shard)
            except CacheError:
                continue
            kept.append(shard)
    return replace(there, samples=wanted.samples, shards=tuple(kept))


def _settings(info: CacheInfo) -> dict[str, Any]:
    names = ("teacher", "tokenizer_sha256", "data", "split", "seed", "questions", "shard_samples")
    return {name: getattr(info, name) for name in names} | {f"its {k}": v for k, v in info.description.items()}


def _shape(samples: Sequence[CachedSample], info: CacheInfo) -> dict[str, Any]:
    """``top_k``, ``hidden_size`` and ``labels`` as the answers show them."""
    found: dict[str, Any] = {}
    for sample in samples:
        for said in sample.answers:
            if said.top_tokens is not None:
                found["top_k"] = int(said.top_tokens.shape[1])
            if said.hidden is not None:
                found["hidden_size"] = len(said.hidden)
        if sample.perception is not None:
            found["labels"] = sample.perception.labels
    return found


def _parts(order: Sequence[int], size: int) -> list[Sequence[int]]:
    return [order[i : i + size] for i in range(0, len(order), size)]
