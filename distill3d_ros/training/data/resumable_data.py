"""Going on with a data folder that was begun: what is finished of it, if it was made in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from distill3d_ros.training.data.manifest import (
    DEFAULT_RENDERER,
    MANIFEST_NAME,
    Manifest,
    ShardError,
    ShardInfo,
    data_folder,
    read_manifest,
)


def resumable_manifest(
    folder: Path, wanted: Manifest, *, same_rooms: bool = False, names: Mapping[str, str] | None = None
) -> Manifest | None:
    """The manifest of a folder that was begun in the same way; None where no shard was finished.

    Args:
        wanted: with the recipe and the labels of the run that wants to go on.
        same_rooms: the planned rooms must be the same, too.
        names: recipe entry -> what sets it, for the message.

    Raises:
        ShardError: the folder holds data that was made in another way.
    """
    if not (folder / MANIFEST_NAME).exists():
        if list(folder.glob("*.tar")):
            raise ShardError(f"{folder} has tar files but no {MANIFEST_NAME}; give --out an empty or new folder")
        return None
    there = read_manifest(folder)
    if not there.shards:  # nothing would be lost
        return None
    before, now = (_settings(manifest, with_rooms=same_rooms) for manifest in (there, wanted))
    data_folder(folder).check_same(before, now, names=names)
    return there


def whole_shards(folder: Path, shards: Iterable[ShardInfo]) -> tuple[ShardInfo, ...]:
    """Those of a manifest's shards whose files are there and undamaged; the others are made again."""
    where = data_folder(folder)
    return tuple(
        shard
        for shard in shards
        if where.is_whole(shard.file, sha256=shard.sha256, size=shard.bytes)
        and where.is_whole(shard.index_file, sha256=shard.index_sha256)
    )


def _settings(manifest: Manifest, *, with_rooms: bool) -> dict[str, Any]:
    rooms = {f"rooms of {split}": n for split, n in manifest.planned_rooms.items()} if with_rooms else {}
    return {"renderer": DEFAULT_RENDERER, **manifest.recipe, **rooms, "labels": ", ".join(manifest.labels)}
