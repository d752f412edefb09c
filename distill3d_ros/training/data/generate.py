"""Make a data set of simulated rooms: ``distill3d data generate``.

The shard is the unit of work. The manifest lists a shard once it is whole, so a run that was stopped or killed goes on
with the shards that are missing, and a finished folder is the same for any number of workers and interruptions.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from distill3d_ros.training.data.manifest import (
    MANIFEST_NAME,
    Manifest,
    ShardError,
    ShardInfo,
    read_manifest,
    write_atomically,
)
from distill3d_ros.training.data.plan import ROOMS_PER_SHARD, Recipe, ShardJob, planned_rooms, shard_jobs
from distill3d_ros.training.data.progress import GenerateProgress, in_words
from distill3d_ros.training.data.shards import check_shard
from distill3d_ros.training.data.workers import RoomDone, ShardDone, ShardLost, WorkerPool, remove_partial_files


def generate(
    out: Path | str,
    *,
    rooms: int | Mapping[str, int],
    seed: int,
    workers: int | None = None,
    frames_per_room: int = 12,
    size: tuple[int, int] = (224, 224),
    rooms_per_shard: int = ROOMS_PER_SHARD,
) -> Manifest:
    """Make a data set, or what is missing of it.

    Args:
        out: its folder; made if it is not there.
        rooms: in all, see ``plan.split_rooms``; or how many in each split.
        seed: the same seed gives the same bytes, whatever the number of workers.
        workers: processes; None is one a core.
        frames_per_room: pictures of a room, at most; a room with fewer worthwhile views has fewer, but at least half.
        size: width and height of a picture, pixels.
        rooms_per_shard: rooms in one tar.

    Raises:
        ShardError: the folder holds data that was made in another way.
        OSError: the folder cannot be written to, or there is too little space.
    """
    folder, planned = Path(out), planned_rooms(rooms)
    count = workers or len(os.sched_getaffinity(0))
    recipe = Recipe(
        seed=seed,
        frames_per_room=frames_per_room,
        size=size,
        rooms_per_shard=rooms_per_shard,
        furniture=furniture_fingerprint(count),
    )
    _make_folder(folder)
    with _only_writer(folder):
        remove_partial_files(folder)
        jobs = shard_jobs(planned, recipe.rooms_per_shard)
        wanted = Manifest(recipe=recipe.to_dict(), planned_rooms=planned)
        finished = _finished_shards(folder, wanted, jobs)
        missing = [job for job in jobs if job.file not in finished]
        with GenerateProgress(folder, recipe, jobs, finished, workers=min(count, len(missing))) as progress:
            _check_space(folder, sum(job.rooms for job in missing) * recipe.frames_per_room * recipe.bytes_per_frame())
            manifest = _write_manifest(folder, wanted, jobs, finished)
            with WorkerPool(folder, recipe, count) as pool:
                for event in pool.run(missing):
                    if isinstance(event, RoomDone):
                        progress.room_done(event)
                    elif isinstance(event, ShardLost):
                        progress.shard_lost(event)
                    elif isinstance(event, ShardDone):
                        finished[event.job.file] = event.info
                        manifest = _write_manifest(folder, wanted, jobs, finished)
                        progress.shard_done(event)
            progress.finished(manifest)
    return manifest


def furniture_fingerprint(workers: int = 2) -> str:
    """Names the furniture by its content. Builds the pack if this machine has none yet, before workers all try to."""
    from distill3d_ros.worlds.furniture import FurniturePack

    digest = hashlib.sha256()
    for model in FurniturePack.load(workers=workers).models:
        digest.update(f"{model.name}|{model.label}|{model.split}|{model.kind}|{model.mount}|{model.elevation}".encode())
        for array in (model.vertices, model.faces, model.face_colors, model.face_uvs, model.textures, model.size):
            digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "is a file; --out must name a folder", str(folder)) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no permission to write into this folder", str(folder))


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Two runs in one folder would remove each other's files. The system frees the lock when the process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ShardError(f"another `distill3d data generate` is writing into {folder}; wait for its end") from None
        yield
    finally:
        os.close(descriptor)


def _finished_shards(folder: Path, wanted: Manifest, jobs: Sequence[ShardJob]) -> dict[str, ShardInfo]:
    """File -> the shards that are there and whole. Others are made again."""
    if not (folder / MANIFEST_NAME).exists():
        if list(folder.glob("*.tar")):
            raise ShardError(f"{folder} has tar files but no {MANIFEST_NAME}; give --out an empty or new folder")
        return {}
    manifest = read_manifest(folder)
    _check_same(folder, manifest, wanted)
    files = {job.file for job in jobs}
    finished = {}
    for shard in manifest.shards:
        if shard.file in files:
            with contextlib.suppress(ShardError):  # missing or damaged: made again
                check_shard(folder, shard)
                finished[shard.file] = shard
    return finished


def _check_same(folder: Path, there: Manifest, wanted: Manifest) -> None:
    """``ShardError`` unless the folder was planned exactly as it is wanted now."""
    names = {"size": "--size", "frames_per_room": "--frames-per-room", "seed": "--seed"}
    before = {**there.recipe, **{f"rooms of {s}": n for s, n in there.planned_rooms.items()}}
    now = {**wanted.recipe, **{f"rooms of {s}": n for s, n in wanted.planned_rooms.items()}}
    differences = [
        f"{names.get(key, key)} was {before.get(key, 'not given')} and is now {now.get(key, 'not given')}"
        for key in dict.fromkeys([*before, *now])
        if before.get(key) != now.get(key)
    ]
    if there.labels != wanted.labels:
        differences.append(f"labels were {', '.join(there.labels)} and are now {', '.join(wanted.labels)}")
    if differences:
        raise ShardError(
            f"{folder} holds data that was made in another way: {'; '.join(differences)}. Give the same settings to "
            "go on there, or another --out"
        )


def _check_space(folder: Path, needed: float) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"about {in_words(needed)} are needed and {in_words(free)} free; make room, or lower --rooms, "
            "--frames-per-room or --size",
            str(folder),
        )


def _write_manifest(
    folder: Path, wanted: Manifest, jobs: Sequence[ShardJob], finished: Mapping[str, ShardInfo]
) -> Manifest:
    manifest = Manifest(
        recipe=wanted.recipe,
        planned_rooms=wanted.planned_rooms,
        shards=tuple(finished[job.file] for job in jobs if job.file in finished),
        complete=all(job.file in finished for job in jobs),
    )
    write_atomically(folder / MANIFEST_NAME, manifest.to_json().encode())
    return manifest
