"""The description of a student, ``config.json``: its configuration, its card, its files' sha256. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill3d_ros.student.config import StudentConfig
from distill3d_ros.system.files import check_file

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message has the reason."""


def read_description(directory: str | Path) -> dict[str, Any]:
    """The checkpoint's ``config.json``."""
    path = Path(directory) / CONFIG
    if not path.is_file():
        raise CheckpointError(
            f"no student in {directory}: {CONFIG} is missing; expected {CONFIG}, {WEIGHTS}, {TOKENIZER}"
        )
    try:
        description = json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(
            f"{path} is not valid JSON ({error}); the checkpoint is damaged, fetch it again"
        ) from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        raise CheckpointError(f"{path} must have format {FORMAT}, as this version of distill3d writes. Got {found!r}")
    return description


def weights_sha256(directory: str | Path) -> str:
    """Checksum of the checkpoint's weights, as its ``config.json`` has it."""
    return str(read_description(directory)["sha256"][WEIGHTS])


def read_config(directory: str | Path) -> StudentConfig:
    """The configuration of the student in a folder."""
    try:
        return StudentConfig.from_dict(read_description(directory)["student"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{Path(directory) / CONFIG} does not describe a student: {error}") from error


def verify_files(directory: Path, description: Mapping[str, Any], *names: str) -> None:
    """Compares the files of these names (default: all) with the checksums that the description has of them.

    Raises:
        CheckpointError: one is missing, damaged or another.
    """
    for name, expected in description.get("sha256", {}).items():
        if not names or name in names:
            check_file(
                directory / name, sha256=expected, listed_in=CONFIG, remedy="fetch it again", error=CheckpointError
            )
