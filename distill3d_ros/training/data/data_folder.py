"""A data folder while something writes into it: one writer at a time, and only what belongs together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill3d_ros.training.data.manifest import (
    MANIFEST_NAME,
    RENDERER_OF_OLD,
    Manifest,
    ShardError,
    read_manifest,
)


def manifest_to_go_on_with(
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
    differences = [
        f"{(names or {}).get(key, key)} was {before.get(key, 'not given')} and is now {now.get(key, 'not given')}"
        for key in dict.fromkeys([*before, *now])
        if before.get(key) != now.get(key)
    ]
    if there.labels != wanted.labels:
        differences.append(f"labels were {', '.join(there.labels)} and are now {', '.join(wanted.labels)}")
    if differences:
        raise ShardError(
            f"{folder} holds data that was made in another way: {'; '.join(differences)}. Give the same files and "
            "settings to go on there, or another --out"
        )
    return there


def _settings(manifest: Manifest, *, with_rooms: bool) -> dict[str, Any]:
    rooms = {f"rooms of {split}": n for split, n in manifest.planned_rooms.items()} if with_rooms else {}
    return {"renderer": RENDERER_OF_OLD, **manifest.recipe, **rooms}
