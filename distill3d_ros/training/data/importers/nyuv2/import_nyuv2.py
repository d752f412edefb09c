"""The labelled part of NYU Depth V2 as shards: ``distill3d data import nyuv2``.

Silberman, Hoiem, Kohli and Fergus, "Indoor Segmentation and Support Inference from RGBD Images" (ECCV 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.training.data.importers.import_folder import ImportFolder
from distill3d_ros.training.data.importers.import_options import NyuV2Options
from distill3d_ros.training.data.importers.nyuv2.gravity import WORST, axis_signs, up_vectors
from distill3d_ros.training.data.importers.nyuv2.labeled_file import LabeledFile
from distill3d_ros.training.data.importers.nyuv2.labeled_frames import LabeledFrames, floor_normal
from distill3d_ros.training.data.importers.nyuv2.name_table import TABLE, NameTable, name_table, table_sha256
from distill3d_ros.training.data.importers.nyuv2.official_split import split_frames
from distill3d_ros.training.data.importers.resampling import check_size
from distill3d_ros.training.data.manifest import Manifest
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.shards import ShardWriter

IMPORTER_VERSION = 3
FRAMES_A_SHARD = 100
FLOORS_LOOKED_AT = 80
"""Frames, evenly spread, whose floors decide how the accelerometer's axes count."""


def import_nyuv2(options: NyuV2Options, *, report: Callable[[str], None] = print) -> Manifest:
    """Write the labelled frames as splits ``train``, ``val`` and ``test`` of a data set, or what is missing of it.

    Args:
        options: the file. Frames of ``test`` keep their size, without the white border, and have depth inside the
            crop that published figures are computed in; of the others the largest centred part of the shape of
            ``size`` is cut out and resized.
        report: called with a line of text after each shard.

    Raises:
        SourceError: h5py is not installed, or the file is missing, damaged or not as published.
        ShardError: the folder holds data that was made in another way.
        ValueError: ``size`` or ``val_share`` is out of range.
        OSError: the folder cannot be written to.
    """
    size = check_size(options.size)
    if not 0.0 <= options.val_share < 1.0:
        raise ValueError(f"--val-share must be at least 0 and below 1. Got {options.val_share}")
    with LabeledFile(Path(options.file), depth=options.depth) as data:
        names = name_table(data.names)
        _report_names(names, report)
        splits = split_frames(len(data), data.scenes, split_file=options.split_file, val_share=options.val_share)
        recipe = {
            "importer": "nyuv2",
            "importer_version": IMPORTER_VERSION,
            "size": list(size),
            "depth": options.depth,
            "names_sha256": f"{table_sha256()}-{_digest(data.names)}",
            "splits_sha256": _digest(splits.items()),
        }
        frames = LabeledFrames(data, names, up=_gravity(data, names, report), size=size)
        manifest = _write(options.out, recipe, splits, frames, report)
    report(
        f"{options.out}: " + ", ".join(f"{split} has {manifest.frames(split)} frames" for split in splits) + "; "
        f"{len(names.classes)} classes are marked"
    )
    return manifest


def _write(
    out: Path,
    recipe: dict[str, Any],
    splits: dict[str, list[int]],
    frames: LabeledFrames,
    report: Callable[[str], None],
) -> Manifest:
    """Every split is planned before the first shard is written, so that a folder left half done says so."""
    parts = {split: _parts(split, numbers) for split, numbers in splits.items() if numbers}
    for split in parts:
        with ImportFolder(out, recipe=recipe, split=split) as folder:
            folder.missing({part: len(numbers) for part, numbers in parts[split].items()})
    for split in parts:
        with ImportFolder(out, recipe=recipe, split=split) as folder:
            for part in folder.missing({part: len(numbers) for part, numbers in parts[split].items()}):
                numbers = parts[split][part]
                info = folder.write(
                    part, partial(_fill, frames=frames, numbers=numbers, split=split), rooms=len(numbers)
                )
                report(
                    f"{part}: {info.frames} frames; {folder.manifest.frames(split)} of {len(splits[split])} of {split}"
                )
    return folder.manifest


def _parts(split: str, numbers: Sequence[int]) -> dict[str, Sequence[int]]:
    return {
        f"{split} {first + 1} to {min(first + FRAMES_A_SHARD, len(numbers))}": numbers[first : first + FRAMES_A_SHARD]
        for first in range(0, len(numbers), FRAMES_A_SHARD)
    }


def _fill(writer: ShardWriter, *, frames: LabeledFrames, numbers: Sequence[int], split: str) -> int:
    for i in numbers:
        writer.add(frames.sample(i, split))
    return 0


def _gravity(data: LabeledFile, names: NameTable, report: Callable[[str], None]) -> FloatArray | None:
    """(N, 3) up by frame, from the accelerometer; None where the file has none to rely on."""
    readings = data.accelerations
    if readings is None:
        return None
    looked_at = evenly_spaced(len(data), FLOORS_LOOKED_AT) if data.has_labels else []
    signs, angle = axis_signs(readings[looked_at], [floor_normal(data, names, i) for i in looked_at])
    if angle is not None:
        report(f"the accelerometer's up is {angle:.1f} degrees from that of labelled floors, by the median")
        if angle > WORST:
            report(f"that is more than {WORST:g} degrees: gravity is taken from floors alone")
            return None
    return up_vectors(readings, signs)


def _report_names(names: NameTable, report: Callable[[str], None]) -> None:
    if names.unknown:
        report(
            f"{len(names.unknown)} names of the file are not in {TABLE} and count as unknown; add them there to one "
            f"of its lists: {', '.join(names.unknown)}"
        )


def _digest(values: Any) -> str:
    return sha256(repr(list(values)).encode()).hexdigest()[:16]
