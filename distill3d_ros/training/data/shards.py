"""WebDataset shards with random access.

A shard is a plain tar (``<split>-000000.tar``) that any WebDataset reader streams. Beside it lies a small index with
the place of every member, so that ``ShardReader`` reaches sample i with four reads and never scans a tar.
"""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from distill3d_ros.scene.objects import Scene
from distill3d_ros.system.files import file_sha256, whole_file, write_whole
from distill3d_ros.training.data.manifest import (
    REMEDY,
    Manifest,
    ShardError,
    ShardInfo,
    data_folder,
    index_name,
    read_manifest,
)
from distill3d_ros.training.data.sample import (
    PARTS,
    SPLITS,
    Sample,
    SampleError,
    decode_place,
    decode_sample,
    decode_scene,
    encode_sample,
)

TAR_BLOCK = 512
T = TypeVar("T")
ByteRange = tuple[int, int]
"""Offset and length of a member's content in the tar, bytes."""


def shard_name(split: str, number: int) -> str:
    return f"{split}-{number:06d}.tar"


class ShardWriter:
    """Writes one shard; it appears under its name only when it is whole.

    Use as a context manager: leaving it by an exception removes what was written. ``info`` is there afterwards.
    """

    def __init__(self, folder: Path | str, *, split: str, number: int, first_room: int, rooms: int) -> None:
        self._folder = Path(folder)
        self._file = shard_name(split, number)
        self._split, self._first_room, self._rooms = split, first_room, rooms
        self._keys: list[str] = []
        self._places: dict[str, list[ByteRange]] = {part: [] for part in PARTS}
        self.info: ShardInfo | None = None

    def __enter__(self) -> ShardWriter:
        with contextlib.ExitStack() as stack:
            self._part = stack.enter_context(whole_file(self._folder / self._file))
            self._stream = stack.enter_context(self._part.open("wb"))
            self._tar = tarfile.open(fileobj=self._stream, mode="w", format=tarfile.USTAR_FORMAT)
            self._stack = stack.pop_all()
        return self

    def add(self, sample: Sample) -> None:
        """Keys must come in ascending order: the order of members is part of the bytes."""
        if sample.split != self._split:
            raise ValueError(f"shard {self._file} takes samples of split {self._split!r}. Got {sample.split!r}")
        if self._keys and sample.key <= self._keys[-1]:
            raise ValueError(f"keys must ascend: {sample.key!r} came after {self._keys[-1]!r}")
        for part, blob in encode_sample(sample).items():
            self._places[part].append((self._tar.offset + TAR_BLOCK, len(blob)))
            self._tar.addfile(_member(f"{sample.key}.{part}", len(blob)), io.BytesIO(blob))
        self._keys.append(sample.key)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._finish()

    def _finish(self) -> None:
        self._tar.close()
        self._stream.flush()
        index = {"file": self._file, "keys": self._keys, "places": self._places}
        blob = (json.dumps(index, separators=(",", ":")) + "\n").encode()
        self.info = ShardInfo(
            file=self._file,
            split=self._split,
            first_room=self._first_room,
            rooms=self._rooms,
            frames=len(self._keys),
            bytes=self._stream.tell(),
            sha256=file_sha256(self._part),
            index_sha256=hashlib.sha256(blob).hexdigest(),
        )
        write_whole(self._folder / index_name(self._file), blob)


class ShardReader:
    """The samples of one split of a data folder, in a fixed order, by number or key.

    Opens a folder that is still being made too; ``refresh`` takes in the shards that were finished since. Safe to
    hand to worker processes: each opens its own files.
    """

    def __init__(self, folder: Path | str, split: str) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}. Got {split!r}")
        self.folder = Path(folder)
        self.split = split
        self._files: dict[int, int] = {}
        self._pid = os.getpid()
        self.refresh()

    def refresh(self) -> int:
        """Reads the manifest anew and returns how many samples there are now."""
        self._close()
        self.manifest: Manifest = read_manifest(self.folder)
        self._classes = frozenset(self.manifest.labels)
        self.shards = self.manifest.of_split(self.split)
        self._indices = [_read_index(self.folder, shard) for shard in self.shards]
        self._ends: list[int] = []
        for shard in self.shards:
            self._ends.append((self._ends[-1] if self._ends else 0) + shard.frames)
        self.keys: list[str] = [key for index in self._indices for key in index["keys"]]
        self._numbers = {key: i for i, key in enumerate(self.keys)}
        return len(self)

    @property
    def sha256(self) -> str:
        """Names exactly these samples: the checksum over the checksums of this split's shards."""
        return hashlib.sha256("".join(shard.sha256 for shard in self.shards).encode()).hexdigest()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: int) -> Sample:
        sample = self._decoded(number, decode_sample, {part: self.part(number, part) for part in PARTS})
        return replace(sample, scene=self._told(sample.scene))

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def scene(self, number: int) -> Scene:
        """The truth without depth; decodes no image."""
        return self._told(self._decoded(number, decode_scene, self.part(number, "scene.json")))

    def place(self, number: int) -> tuple[str, str]:
        """The room that a sample was taken in, and the type of that room; decodes no image."""
        return self._decoded(number, decode_place, self.part(number, "scene.json"))

    def scenes(self) -> LazySequence[Scene]:
        """All scenes, read when asked for."""
        return LazySequence(self.scene, len(self))

    def sequences(self) -> dict[str, range]:
        """Sequence -> the numbers of its frames, in the order in which they were taken. Decodes nothing.

        Raises:
            ShardError: the folder holds single views.
        """
        if "sequence_frames" not in self.manifest.recipe:
            raise ShardError(f"{self.folder} holds single views; `distill3d data sequences` makes sequences")
        found: dict[str, range] = {}
        for number, key in enumerate(self.keys):
            name = key.rpartition("-")[0]
            found[name] = range(found[name].start if name in found else number, number + 1)
        return found

    def index_of(self, key: str) -> int:
        try:
            return self._numbers[key]
        except KeyError:
            raise KeyError(f"split {self.split!r} of {self.folder} has no sample {key!r}") from None

    def part(self, number: int, part: str) -> bytes:
        """The raw bytes of one member of sample ``number``."""
        if not -len(self) <= number < len(self):
            raise IndexError(f"split {self.split!r} of {self.folder} has {len(self)} samples. Got number {number}")
        number %= len(self)
        shard = bisect.bisect_right(self._ends, number)
        offset, length = self._indices[shard]["places"][part][number - self._ends[shard] + self.shards[shard].frames]
        blob = os.pread(self._descriptor(shard), length, offset)
        if len(blob) != length:
            raise ShardError(
                f"{self.folder / self.shards[shard].file} ends early: sample {self.keys[number]} needs {length} bytes "
                f"at {offset}, {len(blob)} are there; {REMEDY}"
            )
        return blob

    def verify(self) -> None:
        """Compares every byte of this split with the manifest's checksums."""
        for shard in self.shards:
            check_shard(self.folder, shard)

    def _told(self, scene: Scene) -> Scene:
        """The scene, with the manifest's classes as those that it tells of unless it says otherwise."""
        if scene.annotation.classes is not None:
            return scene
        return replace(scene, annotation=replace(scene.annotation, classes=self._classes))

    def _decoded(self, number: int, decode: Callable[[Any], T], content: Any) -> T:
        try:
            return decode(content)
        except (SampleError, KeyError, TypeError) as error:
            shard = self.shards[bisect.bisect_right(self._ends, number % len(self))]
            raise ShardError(
                f"sample {self.keys[number]} in {self.folder / shard.file} cannot be read: {error}; {REMEDY}"
            ) from error

    def _descriptor(self, shard: int) -> int:
        if self._pid != os.getpid():  # forked: descriptors are shared with the parent, who may close them
            self._files, self._pid = {}, os.getpid()
        if shard not in self._files:
            data_folder(self.folder).check(self.shards[shard].file)
            self._files[shard] = os.open(self.folder / self.shards[shard].file, os.O_RDONLY)
        return self._files[shard]

    def _close(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files = {}

    def __del__(self) -> None:
        if getattr(self, "_pid", None) == os.getpid():
            self._close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}, "_pid": -1}


class LazySequence(Generic[T]):
    """``len`` and ``[i]`` over a function of i."""

    def __init__(self, get: Callable[[int], T], length: int) -> None:
        self._get, self._length = get, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> T:
        return self._get(number)

    def __iter__(self) -> Iterator[T]:
        return (self._get(i) for i in range(self._length))


def verify_folder(folder: Path | str) -> Manifest:
    """Checks every shard of every split; ``ShardError`` names the first file that is wrong."""
    manifest = read_manifest(folder)
    for shard in manifest.shards:
        check_shard(Path(folder), shard)
    return manifest


def check_shard(folder: Path, shard: ShardInfo) -> None:
    """Raises ``ShardError`` unless the tar and its index are byte for byte what the manifest says."""
    where = data_folder(folder)
    where.check(shard.file, sha256=shard.sha256, size=shard.bytes)
    where.check(shard.index_file, sha256=shard.index_sha256)


def _read_index(folder: Path, shard: ShardInfo) -> dict[str, Any]:
    where = data_folder(folder)
    where.check(shard.file, size=shard.bytes)
    where.check(shard.index_file, sha256=shard.index_sha256)
    return json.loads((folder / shard.index_file).read_bytes())


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A header without owner or time, so that equal samples give equal bytes."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime, member.uid, member.gid = size, 0o644, 0, 0, 0
    return member
