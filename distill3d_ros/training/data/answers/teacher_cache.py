"""A teacher's answers on disk: shards, and a manifest that says what was asked, by whom, about which data.

The manifest is rewritten in one step each time a shard is finished, so that a folder is whole at every moment.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from distill3d_ros.system.files import file_sha256
from distill3d_ros.system.resumable_folder import ResumableFolder
from distill3d_ros.training.data.answers.answer_shards import CachedSample, decode_sample
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.data.mixture import Folders

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
REMEDY = "the `distill3d teach` command that made the folder, given again, makes it anew"
_OPEN_SHARDS = 64


class CacheError(ValueError):
    """A folder of a teacher's answers cannot be used, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheShard:
    """One finished file of answers."""

    file: str
    keys: tuple[str, ...]
    """Of its samples, as the data's reader knows them."""
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheInfo:
    """Contents and origin of a cache."""

    teacher: str
    """Its name."""
    description: Mapping[str, Any]
    """``Teacher.describe()``."""
    tokenizer_sha256: str | None
    data: tuple[Mapping[str, str], ...]
    """``folder`` (its name) and ``manifest_sha256`` of each data folder, in their order."""
    split: str
    seed: int
    questions: int
    """Asked about each sample, at most; 0 of a teacher that perceives alone."""
    shard_samples: int
    samples: int
    """That the finished cache will have."""
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    """The teacher's own: ``split``, ``samples``, ``overall`` and ``families``, each with ``right`` and ``asked``."""
    top_k: int = 0
    """0 where answers are text alone."""
    hidden_size: int = 0
    labels: tuple[str, ...] = ()
    """Its classes; none where it sees no boxes."""
    min_score: float = 0.0
    """Class probability from which its boxes counted where questions are about them, not about the truth."""
    min_confidence: float = 0.0
    """Confidence that its answers to such questions have at least."""
    shards: tuple[CacheShard, ...] = ()

    @property
    def vocabulary(self) -> int | None:
        """Number of the teacher's tokens."""
        return self.description.get("vocabulary")

    @property
    def covers(self) -> Mapping[str, tuple[str, ...]]:
        """Class of its -> finer classes that it does not tell apart; see ``Annotation.covers``."""
        covers = (self.description.get("detector") or {}).get("covers", {})
        return {label: tuple(finer) for label, finer in covers.items()}

    @property
    def complete(self) -> bool:
        return sum(len(s.keys) for s in self.shards) == self.samples

    @property
    def bytes(self) -> int:
        return sum(s.bytes for s in self.shards)

    def write(self, folder: Path) -> None:
        """Replace the manifest of ``folder`` in one step."""
        answers_folder(folder).write(asdict(self))


def answers_folder(folder: Path) -> ResumableFolder:
    """The folder of a teacher's answers, as what is made piece by piece."""
    return ResumableFolder(
        path=folder,
        index=MANIFEST_NAME,
        holds="teacher's answers",
        version=FORMAT_VERSION,
        missing="make them with `distill3d teach`",
        remedy=REMEDY,
        error=CacheError,
    )


def read_info(folder: Path) -> CacheInfo:
    """The manifest of a cache.

    Raises:
        CacheError: there is none, or it is damaged or of another version.
    """
    resumable = answers_folder(folder)
    data = resumable.read()
    try:
        data["shards"] = tuple(CacheShard(**{**s, "keys": tuple(s["keys"])}) for s in data["shards"])
        known = {f.name for f in fields(CacheInfo)}
        wrong = (set(data) ^ known) - {"min_score", "min_confidence"}  # not in the first caches
        if wrong:
            raise KeyError(*sorted(wrong))
        return CacheInfo(**{**data, "data": tuple(data["data"]), "labels": tuple(data["labels"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise resumable.not_an_index(error) from error


def answers_sha256(folder: Path) -> str:
    """Names what is in a cache.

    Raises:
        CacheError: there is none, or it is damaged or of another version.
    """
    read_info(folder)
    return file_sha256(folder / MANIFEST_NAME)


def data_identity(data: Folders) -> tuple[Mapping[str, str], ...]:
    """Identity of the data of a cache."""
    return tuple({"folder": d.resolve().name, "manifest_sha256": manifest_sha256(d)} for d in data)


class TeacherCache:
    """A teacher's answers by the key of the sample. Safe to hand to worker processes: each opens its own files."""

    def __init__(self, folder: str | Path, data: Folders) -> None:
        """Checks every file, which reads it once.

        Args:
            data: the folders that are trained on, in their order; the answers may be about some of them.

        Raises:
            CacheError: the answers are about other data, or a file is missing or damaged.
        """
        self.folder = Path(folder)
        self.info = read_info(self.folder)
        key_of = self._translation(data)
        for shard in self.info.shards:
            answers_folder(self.folder).check(shard.file, sha256=shard.sha256, size=shard.bytes)
        self._places = {
            key_of(key): (s, n) for s, shard in enumerate(self.info.shards) for n, key in enumerate(shard.keys)
        }
        self.keys: list[str] = list(self._places)
        self._open: OrderedDict[int, tuple[Any, frozenset[str]]] = OrderedDict()
        self._pid = os.getpid()

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[CachedSample]:
        return (self[key] for key in self.keys)

    def __getitem__(self, key: str) -> CachedSample:
        try:
            shard, number = self._places[key]
        except KeyError:
            raise KeyError(f"{self.folder} has no answers about sample {key!r}") from None
        file, names = self._file(shard)
        return decode_sample(number, file.get_tensor, names, self.info.labels)

    def _translation(self, data: Folders) -> Callable[[str], str]:
        """Key of a sample as the answers have it -> its key among the training data (see ``MixedReader``)."""
        theirs, ours = self.info.data, data_identity(data)
        numbers = {d["manifest_sha256"]: number for number, d in enumerate(ours)}
        if not all(d["manifest_sha256"] in numbers for d in theirs):
            raise CacheError(
                f"{self.folder} holds answers about {_named(theirs)}, but the training data are {_named(ours)}; train "
                "on these data folders, too, or let the teacher answer about those that are trained on"
            )

        def key_of(key: str) -> str:
            place, _, own = key.rpartition("/")  # one folder alone numbers nothing
            number = numbers[theirs[int(place or 0)]["manifest_sha256"]]
            return own if len(ours) == 1 else f"{number}/{own}"

        return key_of

    def _file(self, number: int) -> tuple[Any, frozenset[str]]:
        if self._pid != os.getpid():
            self._open, self._pid = OrderedDict(), os.getpid()
        if number not in self._open:
            path = self.folder / self.info.shards[number].file
            try:
                file = safe_open(path, framework="np")
            except (SafetensorError, OSError) as error:
                raise CacheError(f"{path} cannot be read ({error}); {REMEDY}") from error
            self._open[number] = file, frozenset(file.keys())
            if len(self._open) > _OPEN_SHARDS:
                self._open.popitem(last=False)
        self._open.move_to_end(number)
        return self._open[number]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict(), "_pid": -1}


def _named(data: tuple[Mapping[str, str], ...]) -> str:
    return " and ".join(f"'{d['folder']}' (manifest {d['manifest_sha256'][:12]})" for d in data)
