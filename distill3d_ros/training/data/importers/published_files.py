"""Errors about the files of a published data set: what is missing, and what provides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class SourceError(ValueError):
    """A published data set lacks a file, or a file of it is damaged or not in the published format."""


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A file that an import needs and that is not there."""

    path: Path
    remedy: str
    """What provides it."""


def missing_files_error(missing: Sequence[MissingFile]) -> SourceError:
    """One error that names every missing file, a line each, with its remedy."""
    head = "1 file is missing" if len(missing) == 1 else f"{len(missing)} files are missing"
    return SourceError(head + ":" + "".join(f"\n  {file.path}: {file.remedy}" for file in missing))
