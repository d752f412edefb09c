"""Files of a published data set: pictures, and errors that say what is missing or damaged and what provides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


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


def read_picture(path: Path, flags: int, *, remedy: str) -> NDArray[np.generic]:
    """The pixels of a file as ``cv2.imdecode`` gives them with ``flags``.

    Raises:
        SourceError: the file holds no picture; the message ends with ``remedy``.
    """
    content = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(content, flags) if len(content) else None
    if picture is None:
        raise SourceError(f"{path} is no picture ({len(content)} bytes); {remedy}")
    return np.asarray(picture)
