"""Make a data set of simulated rooms: ``distill3d data generate`` and ``distill3d data sequences``.

The shard is the unit of work. The manifest lists a shard once it is whole, so a run that was stopped or killed goes on
with the shards that are missing, and a finished folder is the same for any number of workers and interruptions.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from distill3d_ros.system.files import only_writer
from distill3d_ros.system.threads import available_cores
from distill3d_ros.system.worker_pool import JobLost, JobProgress
from distill3d_ros.training.data.generation.generation_options import GenerateOptions, SequenceOptions
from distill3d_ros.training.data.generation.generation_plan import (
    ROOMS_PER_SHARD,
    Recipe,
    SequencePlan,
    ShardJob,
    planned_rooms,
    shard_jobs,
)
from distill3d_ros.training.data.generation.progress import GenerateProgress, format_size
from distill3d_ros.training.data.generation.workers import shard_workers
from distill3d_ros.training.data.manifest import Manifest, ShardInfo, write_manifest
from distill3d_ros.training.data.resumable_data import resumable_manifest, whole_shards
from distill3d_ros.worlds.rendering.factory import renderer_kind

_OPTIONS = {
    "size": "--size",
    "frames_per_room": "--frames-per-room",
    "seed": "--seed",
    "sequence_frames": "--frames",
    "sequence_interval": "--interval",
}


def generate(options: GenerateOptions | SequenceOptions, *, rooms_per_shard: int = ROOMS_PER_SHARD) -> Manifest:
    """Make a data set, or what is missing of it.

    Args:
        options: single views of rooms, or drives through them; see there.
        rooms_per_shard: rooms in one tar.

    Raises:
        ShardError: the folder holds data that was made in another way, by another renderer, say.
        OSError: the folder cannot be written to, or there is too little space.
    """
    folder, planned = Path(options.out), planned_rooms(options.rooms)
    if isinstance(options, SequenceOptions):
        sequence, frames_per_room = SequencePlan(frames=options.frames, interval=options.interval), options.frames[1]
    else:
        sequence, frames_per_room = None, options.frames_per_room
    count = options.workers or available_cores()
    recipe = Recipe(
        seed=options.seed,
        frames_per_room=frames_per_room,
        sequence=sequence,
        size=options.size,
        rooms_per_shard=rooms_per_shard,
        furniture=furniture_fingerprint(count),
        renderer=renderer_kind(warn=lambda text: print(f"warning: {text}", file=sys.stderr)),
    )
    with only_writer(folder):
        jobs = shard_jobs(planned, recipe.rooms_per_shard)
        wanted = Manifest(recipe=recipe.to_dict(), planned_rooms=planned)
        finished = _finished_shards(folder, wanted, jobs)
        missing = [job for job in jobs if job.file not in finished]
        with GenerateProgress(folder, recipe, jobs, finished, workers=min(count, len(missing))) as progress:
            _check_space(folder, sum(job.rooms for job in missing) * recipe.frames_per_room * recipe.bytes_per_frame())
            manifest = _write_manifest(folder, wanted, jobs, finished)
            with shard_workers(folder, recipe, count) as pool:
                for event in pool.run(missing):
                    if isinstance(event, JobProgress):
                        progress.room_done(event.job, event.value)
                    elif isinstance(event, JobLost):
                        progress.shard_lost(event.job, event.how)
                    else:
                        finished[event.job.file] = event.result.info
                        manifest = _write_manifest(folder, wanted, jobs, finished)
                        progress.shard_done(event.result)
            progress.finished(manifest)
    return manifest


def furniture_fingerprint(workers: int = 2) -> str:
    """Names the furniture by its content. Builds the pack if this machine has none yet, before workers all try to."""
    from distill3d_ros.worlds.furniture.pack import FurniturePack

    digest = hashlib.sha256()
    for model in FurniturePack.load(workers=workers).models:
        digest.update(f"{model.name}|{model.label}|{model.split}|{model.kind}|{model.mount}|{model.elevation}".encode())
        for array in (model.vertices, model.faces, model.face_colors, model.face_uvs, model.textures, model.size):
            digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _finished_shards(folder: Path, wanted: Manifest, jobs: Sequence[ShardJob]) -> dict[str, ShardInfo]:
    """File -> the shards that are there and whole. Others are made again."""
    manifest = resumable_manifest(folder, wanted, same_rooms=True, names=_OPTIONS)
    files = {job.file for job in jobs}
    listed = [shard for shard in (manifest.shards if manifest else ()) if shard.file in files]
    return {shard.file: shard for shard in whole_shards(folder, listed)}


def _check_space(folder: Path, needed: float) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"about {format_size(needed)} are needed and {format_size(free)} free; make room, or lower --rooms, "
            "--frames-per-room (of sequences: --frames) or --size",
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
    write_manifest(folder, manifest)
    return manifest
