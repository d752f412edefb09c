"""The pass of ``distill3d teach``: a teacher answers questions about a data set once, for all students.

It may be stopped in any way: finished shards are kept, and the same command goes on.
Under torchrun each process takes every so many-th shard, and the first alone writes the manifest.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from distill3d_ros.system.files import only_writer, write_whole
from distill3d_ros.training.data.answers.answer_shards import CachedSample, encode_shard
from distill3d_ros.training.data.answers.teacher_cache import (
    MANIFEST_NAME,
    CacheError,
    CacheInfo,
    CacheShard,
    answers_folder,
    data_identity,
    read_info,
)
from distill3d_ros.training.data.generation.progress import format_size
from distill3d_ros.training.data.mixture import Reader, open_split
from distill3d_ros.training.data.reading import describe_folders
from distill3d_ros.training.inputs.question_sampling import Balance, balance_from_data
from distill3d_ros.training.loop.expected_end import describe_end
from distill3d_ros.training.loop.process_group import ProcessGroup
from distill3d_ros.training.teachers.accuracy import describe_accuracy, measure_first
from distill3d_ros.training.teachers.asking import asked_and_answered
from distill3d_ros.training.teachers.teach_options import AnswerOptions
from distill3d_ros.training.teachers.teacher import Teacher

SHARD_SAMPLES = 64
_REPORT_S = 30.0
_ALONE = ProcessGroup()
X = TypeVar("X")


def teach(
    teacher: Teacher,
    options: AnswerOptions,
    *,
    shard_samples: int = SHARD_SAMPLES,
    group: ProcessGroup = _ALONE,
    report: Callable[[str], None] = print,
) -> CacheInfo:
    """Writes a teacher's answers about the samples of a split into ``options.out``; goes on where it was stopped.

    Samples are taken in an order that ``options.seed`` decides, so that a part of them is of many rooms.

    Args:
        shard_samples: samples in one shard.
        group: processes that share the work, each with its own ``teacher``; every one must call this. The first
            measures, reports and keeps the manifest.

    Raises:
        ValueError: there are no such samples, or the folder holds answers of another kind.
        OSError: the folder cannot be written to, or the disk is full.
    """
    out, data, seed = Path(options.out), options.data, options.seed
    reader = open_split(data, options.split)
    if not len(reader):
        raise ValueError(f"{describe_folders(data)} has no samples of split {options.split!r}")
    numbers = {
        "questions": options.questions,
        "limit": options.limit,
        "measure": options.measure,
        "shard_samples": shard_samples,
    }
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1. Got {value}")
    for name, share in (("min_score", options.min_score), ("min_confidence", options.min_confidence)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must lie between 0 and 1. Got {share}")
    order = np.random.default_rng([seed, 303]).permutation(len(reader))[: options.limit].tolist()
    wanted = CacheInfo(
        teacher=teacher.name,
        description=teacher.describe(),
        tokenizer_sha256=teacher.tokenizer_sha256,
        data=data_identity(data),
        split=options.split,
        seed=seed,
        questions=options.questions if teacher.answers_questions else 0,
        min_score=options.min_score,
        min_confidence=options.min_confidence,
        shard_samples=shard_samples,
        samples=len(order),
    )
    with only_writer(out) if group.is_first else nullcontext():
        info, balance = wanted, Balance({})
        if group.is_first:
            info = _resumed(out, wanted, [[reader.keys[i] for i in part] for part in _parts(order, shard_samples)])
            balance = balance_from_data(data, out) if teacher.answers_questions else balance
            if not info.accuracy:
                accuracy = measure_first(
                    teacher, data, reader, balance, seed, options.measure, report, min_score=options.min_score
                )
                info = replace(info, accuracy=accuracy)
                info.write(out)
            report(f"{teacher.name}: {describe_accuracy(info.accuracy)}")
        info, balance = group.gather((info, balance))[0]
        return _TeachingPass(teacher, reader, balance, info, out, group, report).run(order)


class _TeachingPass:
    """The samples that are still to be answered about: in every round each process makes one shard."""

    def __init__(
        self,
        teacher: Teacher,
        reader: Reader,
        balance: Balance,
        info: CacheInfo,
        out: Path,
        group: ProcessGroup,
        report: Callable[[str], None],
    ) -> None:
        self.teacher, self.reader, self.balance, self.info = teacher, reader, balance, info
        self.out, self.group, self.report = out, group, report
        self.began = self.reported = time.monotonic()
        self.there = self.done = sum(len(s.keys) for s in self.info.shards)
        self.asked = 0

    def run(self, order: Sequence[int]) -> CacheInfo:
        finished = {s.file for s in self.info.shards}
        if finished:
            self._report(f"{self.out}: {self.done} of {self.info.samples} samples are there already")
        parts = {
            f"{self.info.split}-{number:06d}.safetensors": part
            for number, part in enumerate(_parts(order, self.info.shard_samples))
        }
        missing = [file for file in parts if file not in finished]
        for round_of in _parts(missing, self.group.count):
            mine = list(round_of)[self.group.rank : self.group.rank + 1]
            made = [self._shard(file, [self._sample(i) for i in parts[file]]) for file in mine]
            self._keep([shard for shards in self.group.gather(made) for shard in shards])
            if round_of[0] == missing[0]:
                self._report_disk()
        self._report(f"{self.out}: {self.done} samples, {format_size(self.info.bytes)}")
        return self.info

    def _sample(self, number: int) -> CachedSample:
        key, sample = self.reader.keys[number], self.reader[number]
        perception = self.teacher.perceive(sample)
        asked, teacher_answers = asked_and_answered(self.teacher, sample, perception, key, self.balance, self.info)
        self.done += self.group.count  # the others are about as far; counted at the end of the round
        self.asked += len(asked) * self.group.count
        if time.monotonic() - self.reported > _REPORT_S:
            self._report_progress()
        return CachedSample(key=key, questions=asked, answers=teacher_answers, perception=perception)

    def _shard(self, file: str, samples: Sequence[CachedSample]) -> tuple[CacheShard, dict[str, Any]]:
        """Writes one, which counts as soon as the manifest names it."""
        blob = encode_shard(samples)
        with self._room_for(file):
            write_whole(self.out / file, blob)
        shard = CacheShard(
            file=file,
            keys=tuple(s.key for s in samples),
            bytes=len(blob),
            sha256=hashlib.sha256(blob).hexdigest(),
        )
        return shard, _shape(samples)

    def _keep(self, made: Sequence[tuple[CacheShard, dict[str, Any]]]) -> None:
        shards = sorted((*self.info.shards, *(shard for shard, _ in made)), key=lambda s: s.file)
        shape = {name: value for _, found in made for name, value in found.items()}
        self.info = replace(self.info, shards=tuple(shards), **shape)
        if self.group.is_first:
            with self._room_for(MANIFEST_NAME):
                self.info.write(self.out)
        self.done = sum(len(s.keys) for s in shards)
        self._report_progress()

    @contextmanager
    def _room_for(self, file: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(
                f"could not write {self.out / file}: {error.strerror or error}. The "
                f"{len(self.info.shards)} shards before it are kept, and the same command goes on"
            ) from error

    def _report(self, text: str) -> None:
        if self.group.is_first:
            self.report(text)

    def _report_progress(self) -> None:
        self.reported = time.monotonic()
        rate = (self.done - self.there) / max(self.reported - self.began, 1e-3)
        left = (self.info.samples - self.done) / max(rate, 1e-9) / 60
        self._report(
            f"teach {self.done}/{self.info.samples}  {rate:.2g} samples/s, "
            f"{self.asked / max(self.reported - self.began, 1e-3):.3g} questions/s  {format_size(self.info.bytes)}  "
            f"{describe_end(left)}"
        )

    def _report_disk(self) -> None:
        """The disk space that is needed in all, from the size of the first shard."""
        each = self.info.bytes / sum(len(s.keys) for s in self.info.shards)
        needed = each * (self.info.samples - sum(len(s.keys) for s in self.info.shards))
        free = shutil.disk_usage(self.out).free
        text = f"{format_size(needed + self.info.bytes)} in all, {format_size(free)} are free on the disk"
        self._report(text if needed < free else f"{text}: NOT ENOUGH; make room, or give --limit")


def _resumed(out: Path, wanted: CacheInfo, keys: Sequence[Sequence[str]]) -> CacheInfo:
    """State of the wanted cache in ``out``; ``wanted`` itself where nothing is there.

    Shards that are damaged, or that would have more samples by now, are made again.
    """
    folder = answers_folder(out)
    if not folder.is_begun:
        return wanted
    there = read_info(out)
    folder.check_same(_settings(there), _settings(wanted))
    done = sum(len(s.keys) for s in there.shards)
    if wanted.samples < done:
        raise CacheError(f"{out} holds answers about {done} samples; --limit must not be less. Got {wanted.samples}")
    whole = []
    for shard in there.shards:
        number = int(shard.file.rpartition("-")[2].partition(".")[0])
        if tuple(keys[number]) == shard.keys and folder.is_whole(shard.file, sha256=shard.sha256, size=shard.bytes):
            whole.append(shard)
    return replace(there, samples=wanted.samples, shards=tuple(whole))


def _settings(info: CacheInfo) -> dict[str, Any]:
    names = ["teacher", "tokenizer_sha256", "data", "split", "seed", "questions", "shard_samples"]
    if info.min_score:  # not in the first caches
        names += ["min_score", "min_confidence"]
    return {name: getattr(info, name) for name in names} | {f"its {k}": v for k, v in info.description.items()}


def _shape(samples: Sequence[CachedSample]) -> dict[str, Any]:
    """``top_k``, ``hidden_size`` and ``labels`` as the answers show them."""
    found: dict[str, Any] = {}
    for sample in samples:
        for answer in sample.answers:
            if answer.top_tokens is not None:
                found["top_k"] = int(answer.top_tokens.shape[1])
            if answer.hidden is not None:
                found["hidden_size"] = len(answer.hidden)
        if sample.perception is not None:
            found["labels"] = sample.perception.labels
    return found


def _parts(order: Sequence[X], size: int) -> list[Sequence[X]]:
    return [order[i : i + size] for i in range(0, len(order), size)]
