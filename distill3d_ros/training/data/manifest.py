"""The manifest of a data folder: how it was made, and which finished shards it has, with their checksums.

``manifest.json`` is rewritten in one step each time a shard is finished, so a folder can be read while it is still
being made. It holds no times and no machine names: the same configuration gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from distill3d_ros.scene.labels import SIMULATED_LABELS
from distill3d_ros.system.files import file_sha256
from distill3d_ros.system.resumable_folder import ResumableFolder

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
DEFAULT_RENDERER: Final = "gl"
"""A recipe has an entry ``renderer`` only where another one drew the pictures."""
REMEDY = "the command that made the folder (`distill3d data generate` or `import`), given again, resumes"


class ShardError(ValueError):
    """A data folder, or a file in it, is not what its manifest says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardInfo:
    """One finished shard."""

    file: str
    split: str
    first_room: int
    rooms: int
    frames: int
    bytes: int
    sha256: str
    """Of the tar."""
    index_sha256: str
    """Of the index file beside the tar."""

    @property
    def index_file(self) -> str:
        return index_name(self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Contents of a data folder."""

    recipe: Mapping[str, Any]
    """Everything that decides the bytes of a shard: generator version, seed, image size, frames a room, ..."""
    planned_rooms: Mapping[str, int]
    """Split -> rooms that the finished folder will have."""
    shards: tuple[ShardInfo, ...] = ()
    labels: tuple[str, ...] = SIMULATED_LABELS
    """The classes whose things are marked wherever they are in sight, unless a sample says otherwise."""
    complete: bool = False

    def of_split(self, split: str) -> tuple[ShardInfo, ...]:
        return tuple(shard for shard in self.shards if shard.split == split)

    def frames(self, split: str) -> int:
        return sum(shard.frames for shard in self.of_split(split))

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, in the order of the file."""
        splits = {
            split: {
                "planned_rooms": rooms,
                "rooms": sum(s.rooms for s in self.of_split(split)),
                "frames": self.frames(split),
                "bytes": sum(s.bytes for s in self.of_split(split)),
            }
            for split, rooms in self.planned_rooms.items()
        }
        return {
            "complete": self.complete,
            "recipe": dict(self.recipe),
            "labels": list(self.labels),
            "splits": splits,
            "shards": [asdict(shard) for shard in sorted(self.shards, key=lambda s: s.file)],
        }


def index_name(tar_name: str) -> str:
    return tar_name.removesuffix(".tar") + ".index.json"


def data_folder(folder: Path | str) -> ResumableFolder:
    """The folder of a data set, as what is made piece by piece."""
    return ResumableFolder(
        path=Path(folder),
        index=MANIFEST_NAME,
        holds="data",
        version=FORMAT_VERSION,
        missing=f"make a data set with `distill3d data generate --rooms N --seed S --out {folder}`",
        remedy=REMEDY,
        error=ShardError,
    )


def read_manifest(folder: Path | str) -> Manifest:
    """The manifest of a data folder; ``ShardError`` names the folder and the remedy when there is none."""
    resumable = data_folder(folder)
    data = resumable.read()
    try:
        return Manifest(
            recipe=data["recipe"],
            planned_rooms={split: counts["planned_rooms"] for split, counts in data["splits"].items()},
            shards=tuple(ShardInfo(**shard) for shard in data["shards"]),
            labels=tuple(data["labels"]),
            complete=data["complete"],
        )
    except (KeyError, TypeError) as error:
        raise resumable.not_an_index(error) from error


def manifest_sha256(folder: Path | str) -> str:
    """Names the data of a folder in reports."""
    return file_sha256(Path(folder) / MANIFEST_NAME)


def write_manifest(folder: Path | str, manifest: Manifest) -> None:
    """In one step, so that the folder can be read at every moment."""
    data_folder(folder).write(manifest.to_dict())
