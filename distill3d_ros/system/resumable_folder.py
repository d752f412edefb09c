"""Folders that are made piece by piece: an index of what they are made from, and going on after a stop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill3d_ros.system.files import check_file, write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumableFolder:
    """A folder whose index says what it was made from and which of its files are finished.

    The index is rewritten in one step after each piece, so that the folder can be read while it is made, and a call
    that was stopped goes on with the pieces that are missing, if it wants the same as the call before.
    """

    path: Path
    index: str
    """Name of the index, which is JSON."""
    holds: str
    """What is in the folder, for messages: "data"."""
    version: int
    """Of the index; an index of another one is refused."""
    version_key: str = "format_version"
    missing: str
    """What makes such a folder, for the message where there is none."""
    remedy: str
    """What to do about a damaged file or index."""
    error: type[ValueError] = ValueError

    @property
    def index_path(self) -> Path:
        return self.path / self.index

    @property
    def is_begun(self) -> bool:
        return self.index_path.exists()

    def read(self) -> dict[str, Any]:
        """The content of the index, without its version.

        Raises:
            ValueError: ``error``: there is none, it is damaged, or of another version.
        """
        try:
            data = json.loads(self.index_path.read_text())
            version = data.pop(self.version_key)
        except FileNotFoundError:
            what = f"{self.index} is missing" if self.path.exists() else "the folder does not exist"
            raise self.error(f"no {self.holds} in {self.path}: {what}; {self.missing}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self.not_an_index(error) from error
        if version != self.version:
            raise self.error(
                f"{self.index_path} has {self.version_key} {version!r}, this program reads {self.version}; make it "
                "again in a new folder"
            )
        return data

    def not_an_index(self, reason: Exception) -> ValueError:
        """The error for an index whose content is not as it must be."""
        return self.error(f"{self.index_path} is not an index of {self.holds} ({reason!r}); {self.remedy}")

    def write(self, content: Mapping[str, Any]) -> None:
        """Replace the index in one step."""
        write_whole(self.index_path, json.dumps({self.version_key: self.version, **content}, indent=1) + "\n")

    def check(self, name: str, *, sha256: str | None = None, size: int | None = None) -> None:
        """Raise ``error`` unless a file is there with the checksum and the size of the index, where they are given."""
        listed_in = f"the {Path(self.index).stem}"
        check_file(
            self.path / name, sha256=sha256, size=size, listed_in=listed_in, remedy=self.remedy, error=self.error
        )

    def is_whole(self, name: str, *, sha256: str | None = None, size: int | None = None) -> bool:
        """Whether a file is as ``check`` wants it; otherwise it is made again."""
        try:
            self.check(name, sha256=sha256, size=size)
        except self.error:
            return False
        return True

    def check_same(
        self, before: Mapping[str, Any], now: Mapping[str, Any], *, names: Mapping[str, str] | None = None
    ) -> None:
        """Raise ``error`` unless the call that began the folder wanted what this one wants.

        Args:
            before: what the folder was made from: JSON types by name.
            now: what this call would make it from.
            names: entry -> what sets it, for the message.
        """
        check_same_settings(self.path, before, now, holds=self.holds, names=names, error=self.error)


def check_same_settings(
    folder: Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    holds: str,
    names: Mapping[str, str] | None = None,
    error: type[ValueError] = ValueError,
) -> None:
    """Raise ``error`` with every entry that differs and both its values, unless ``before`` and ``now`` are equal."""
    found = differences(before, now, names=names)
    if found:
        raise error(
            f"{folder} holds {holds} made in another way: {'; '.join(found)}. Give the same files and settings to go "
            "on there, delete it to make it again, or give another --out"
        )


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], *, names: Mapping[str, str] | None = None
) -> list[str]:
    """Entries that differ, such as "stages[0].lr was 0.1 and is now 0.2"; nested ones by their path."""
    found: list[str] = []
    for key in dict.fromkeys([*before, *now]):
        _compare((names or {}).get(key, key), before.get(key, _NOTHING), now.get(key, _NOTHING), found)
    return found


class _Nothing:
    def __str__(self) -> str:
        return "not given"


_NOTHING = _Nothing()


def _compare(name: str, before: Any, now: Any, found: list[str]) -> None:
    if before == now:
        return
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            _compare(f"{name}.{key}", before.get(key, _NOTHING), now.get(key, _NOTHING), found)
    elif _is_table(before) and _is_table(now) and len(before) == len(now):
        for i, (a, b) in enumerate(zip(before, now, strict=True)):
            _compare(f"{name}[{i}]", a, b, found)
    else:
        found.append(f"{name} was {_shown(before)} and is now {_shown(now)}")


def _shown(value: Any) -> Any:
    return "empty" if value in ("", [], ()) else value


def _is_table(value: Any) -> bool:
    return isinstance(value, Sequence) and bool(value) and all(isinstance(row, Mapping) for row in value)
