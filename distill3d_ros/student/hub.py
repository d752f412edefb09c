"""Lookup of a model: a folder, or a Hugging Face hub with a local cache."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from distill3d_ros.student.description import CONFIG, TOKENIZER, WEIGHTS

_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)@(?P<revision>[\w./-]+)")


def student_folder(source: str | os.PathLike[str], *, cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a student: ``hub_folder`` of its three files."""
    return hub_folder(
        source, files=(CONFIG, WEIGHTS, TOKENIZER), what=f"a student ({CONFIG}, {WEIGHTS})", cache_dir=cache_dir
    )


def hub_folder(
    source: str | os.PathLike[str],
    *,
    files: Sequence[str],
    what: str,
    cache_dir: str | os.PathLike[str] | None = None,
    option: str = "model",
) -> Path:
    """The folder of a model.

    Args:
        source: a folder, or ``owner/name@revision`` on the hub. The revision (a commit or a tag) is not optional: a
            robot must not change after a restart because somebody uploaded something.
        files: names or patterns of the files to fetch.
        what: description of the expected content, for the message.
        cache_dir: folder of the downloads; None is the hub's own choice (``HF_HOME``).
        option: what the user named it with, for the message.

    Raises:
        FileNotFoundError: it is not on this machine and cannot be fetched; the message has the remedy.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    named = _HUB_ID.fullmatch(str(source))
    if named is None:
        raise FileNotFoundError(
            f"{option} must be a folder with {what}, or owner/name@revision of one on the Hugging Face hub. Got "
            f"'{source}', which is no folder"
        )
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError as error:
        raise FileNotFoundError(
            f"'{source}' is on a hub, and huggingface_hub is not installed: pip install huggingface_hub, or fetch the "
            "folder yourself and give its path"
        ) from error

    def fetched(*, here: bool) -> Path:
        return Path(
            snapshot_download(
                named["id"],
                revision=named["revision"],
                allow_patterns=list(files),
                cache_dir=None if cache_dir is None else str(cache_dir),
                local_files_only=here,
            )
        )

    try:
        return fetched(here=True)
    except LocalEntryNotFoundError:
        pass
    try:
        return fetched(here=False)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        if isinstance(error, RevisionNotFoundError):
            reason = f"'{named['id']}' has no revision '{named['revision']}'"
        elif isinstance(error, RepositoryNotFoundError):
            reason = f"there is no repository '{named['id']}', or it may not be read without a login"
        raise FileNotFoundError(
            f"{option} '{source}' is not in the cache and could not be fetched: {reason}. Check the name, the revision "
            "and the network, or fetch the folder elsewhere and give its path"
        ) from error
