"""The data folder that an import fills: one shard a part (a scene, or a run of images), and going on after a stop.

Beside the manifest lies ``imported.json``: which part each shard holds, and how many of its frames were left out.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from distill3d_ros.system.files import only_writer, write_whole
from distill3d_ros.training.data.generation.generation_plan import BUILD_ORDER
from distill3d_ros.training.data.manifest import Manifest, ShardError, ShardInfo, write_manifest
from distill3d_ros.training.data.resumable_data import resumable_manifest, whole_shards
from distill3d_ros.training.data.shards import ShardWriter, shard_name

RECORDS_NAME = "imported.json"
SPLITS_TO_IMPORT = ("train", "val", "test_known", "test")
"""No model of a published set is known to be new to a student, so nothing is imported as ``test_unseen``."""

Fill = Callable[[ShardWriter], int]
"""Adds the samples of a part to its shard and returns how many frames it left out."""

_OPTIONS = {"every": "--every", "size": "--size", "labels_sha256": "the label map (--labels)"}


class ImportFolder:
    """A data folder while an import writes into it; a context manager, and only one at a time.

    Several imports may fill one folder, each another split; their recipes must be equal. A part is written once: a
    folder that was left half done goes on with the parts that are missing.
    """

    def __init__(self, folder: Path | str, *, recipe: Mapping[str, Any], split: str) -> None:
        """
        Args:
            recipe: JSON types; everything that decides the bytes of a part.

        Raises:
            ValueError: the split is none of ``SPLITS_TO_IMPORT``.
        """
        if split not in SPLITS_TO_IMPORT:
            raise ValueError(f"split must be one of {', '.join(SPLITS_TO_IMPORT)}. Got {split!r}")
        self.folder, self._split = Path(folder), split
        self.manifest = Manifest(recipe=dict(recipe), planned_rooms=dict.fromkeys(BUILD_ORDER, 0))
        self._records: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> ImportFolder:
        """
        Raises:
            ShardError: the folder holds other data, or another import writes into it.
            OSError: the folder cannot be made or written to.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(only_writer(self.folder))
            self._read()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def missing(self, parts: Mapping[str, int]) -> list[str]:
        """The parts that are missing or damaged; the manifest then plans for them.

        Args:
            parts: name -> number of its rooms, in the order in which they are to be written.

        Raises:
            ShardError: a part is in another split of this folder already.
        """
        by_part = {record["part"]: file for file, record in self._records.items()}
        listed = {shard.file: shard for shard in self.manifest.shards}
        missing, damaged = [], set()
        for part in parts:
            shard = listed.get(by_part.get(part, ""))
            if shard is None:
                missing.append(part)
                continue
            if shard.split != self._split:
                raise ShardError(
                    f"{part} is in split {shard.split!r} of {self.folder} already and cannot also be in "
                    f"{self._split!r}; give --out another folder"
                )
            if not whole_shards(self.folder, [shard]):
                missing.append(part)
                damaged.add(shard.file)
        kept = tuple(shard for shard in self.manifest.shards if shard.file not in damaged)
        rooms = sum(s.rooms for s in kept if s.split == self._split) + sum(parts[part] for part in missing)
        self._write_manifest(kept, {**self.manifest.planned_rooms, self._split: rooms})
        return missing

    def write(self, part: str, fill: Fill, *, rooms: int = 1) -> ShardInfo:
        """Write the shard of a part; nothing is left of it when that fails."""
        number = self._free_number()
        with ShardWriter(self.folder, split=self._split, number=number, first_room=number, rooms=rooms) as writer:
            left_out = fill(writer)
        assert writer.info is not None  # set when the block above ends well
        listed = {shard.file for shard in self.manifest.shards}
        self._records = {file: record for file, record in self._records.items() if file in listed}
        self._records[writer.info.file] = {"part": part, "frames": writer.info.frames, "left_out": left_out}
        blob = json.dumps(self._records, indent=1, sort_keys=True) + "\n"
        write_whole(self.folder / RECORDS_NAME, blob)
        self._write_manifest((*self.manifest.shards, writer.info), self.manifest.planned_rooms)
        return writer.info

    def left_out(self) -> int:
        """Frames of this split that the imports so far left out."""
        files = {shard.file for shard in self.manifest.of_split(self._split)}
        return sum(record["left_out"] for file, record in self._records.items() if file in files)

    def _free_number(self) -> int:
        used = {shard.file for shard in self.manifest.shards}
        number = 0
        while shard_name(self._split, number) in used:
            number += 1
        return number

    def _read(self) -> None:
        there = resumable_manifest(self.folder, self.manifest, names=_OPTIONS)
        if there is None:
            return
        with contextlib.suppress(FileNotFoundError):
            self._records = json.loads((self.folder / RECORDS_NAME).read_text())
        known = tuple(shard for shard in there.shards if shard.file in self._records)
        self.manifest = Manifest(recipe=there.recipe, planned_rooms=there.planned_rooms, shards=known)

    def _write_manifest(self, shards: tuple[ShardInfo, ...], planned: Mapping[str, int]) -> None:
        rooms = {split: sum(shard.rooms for shard in shards if shard.split == split) for split in planned}
        self.manifest = Manifest(
            recipe=self.manifest.recipe,
            planned_rooms=dict(planned),
            shards=tuple(sorted(shards, key=lambda shard: shard.file)),
            complete=rooms == dict(planned),
        )
        write_manifest(self.folder, self.manifest)
