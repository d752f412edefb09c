"""Recordings of one's own RGB-D camera as shards, to train on and to measure on: ``distill3d data import rgbd``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.training.data.importers.floor_plane import FLOOR_VERSION
from distill3d_ros.training.data.importers.import_folder import ImportFolder
from distill3d_ros.training.data.importers.import_options import RgbdOptions
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.resampling import check_size
from distill3d_ros.training.data.importers.rgbd.bag_frames import BagFrames, is_bag
from distill3d_ros.training.data.importers.rgbd.labels import Labels, read_labels
from distill3d_ros.training.data.importers.rgbd.picture_pairs import PicturePairs
from distill3d_ros.training.data.importers.rgbd.recording import Recording
from distill3d_ros.training.data.importers.rgbd.registration import edge_agreement
from distill3d_ros.training.data.importers.rgbd.rgbd_samples import RgbdSamples
from distill3d_ros.training.data.manifest import Manifest
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.shards import ShardWriter

IMPORTER_VERSION = 3
PART = "frames"
LOOKED_AT = 12
"""Frames, evenly spread, on which the registration of depth is measured."""


def import_rgbd(options: RgbdOptions, *, report: Callable[[str], None] = print) -> Manifest:
    """Write the frames of a recording as one split of a data set, and a share of its places as ``val``.

    Args:
        options: the recording and its camera; distortion is not read, so pictures must be rectified. Of a picture the
            largest centred part of the shape of ``size`` is cut out and resized. With ``floor``, the floor that is
            found in the measured depth (see ``floor_plane``) tells what tf tells a robot; the tf of a bag is used
            where it is there. Without either, gravity is not known: the level frame is the optical frame.
        report: called with a line of text when all is written.

    Raises:
        SourceError: there are no pictures, one lacks its depth, depth is not registered, or a file is damaged, of
            another size or not in its layout.
        ShardError: the folder holds data that was made in another way.
        ValueError: ``size``, ``depth_units``, ``val_share`` or the calibration is wrong.
        OSError: the folder cannot be written to.
    """
    size, labels = check_size(options.size), None if options.labels is None else read_labels(options.labels)
    if not 0.0 <= options.val_share < 1.0:
        raise ValueError(f"--val-share must be at least 0 and below 1. Got {options.val_share:g}")
    recording = _recording(options, need_depth=labels is None)
    splits = divided(recording.places, split=options.split, val_share=options.val_share)
    recipe = _recipe(options, recording, labels, size, splits)
    marked = _labels_of(recording, labels, report)
    _check_registration(recording, report)
    samples = RgbdSamples(size=size, floor=options.floor, labels=labels)
    for split, names in splits.items():
        with ImportFolder(options.out, recipe=recipe, split=split) as folder:
            folder.missing({_part(split, splits): len(names)})
    for split, names in splits.items():
        with ImportFolder(options.out, recipe=recipe, split=split) as folder:
            for part in folder.missing({_part(split, splits): len(names)}):
                fill = partial(
                    _fill, recording=recording, names=names, split=split, samples=samples, marked=marked, report=report
                )
                folder.write(part, fill, rooms=len(names))
            manifest = folder.manifest
    _report_what_is_there(options.out, manifest, splits, samples, options, labels, report)
    return manifest


def divided(places: Mapping[str, str], *, split: str, val_share: float) -> dict[str, list[str]]:
    """Split -> names. Whole places are held out as ``val``; where each frame is its own place, the last frames are.

    Frames that follow each other show the same room: they are not dealt out one by one.
    """
    names = list(places)
    wanted = round(val_share * len(names))
    if not wanted:
        return {split: names}
    by_place: dict[str, list[str]] = {}
    for name in names:
        by_place.setdefault(places[name], []).append(name)
    held: set[str] = set()
    if len(by_place) == len(names):
        held = set(names[-wanted:])
    else:
        for place in sorted(by_place, key=lambda place: sha256(place.encode()).digest()):
            if len(held) + len(by_place[place]) <= max(wanted, min(map(len, by_place.values()))):
                held |= set(by_place[place])
    if len(held) == len(names):
        raise ValueError(f"--val-share {val_share:g} leaves nothing for {split}: record more places, or hold out less")
    return {"val": [n for n in names if n in held], split: [n for n in names if n not in held]}


def _recording(options: RgbdOptions, *, need_depth: bool) -> Recording:
    source = Path(options.folder)
    if is_bag(source):
        if not source.exists():
            raise SourceError(f"FOLDER must be a folder of pictures or a bag. Got '{source}', which does not exist")
        return BagFrames(
            source,
            every=options.every if options.every is not None else 10,
            image_topic=options.image_topic,
            depth_topic=options.depth_topic,
        )
    if options.camera is None:
        raise ValueError(
            "--camera must name the calibration of the pictures' camera, as camera_calibration writes it: without its "
            "focal length nothing in a picture has a size. (A bag has it in camera_info.)"
        )
    if not (np.isfinite(options.depth_units) and options.depth_units > 0):
        raise ValueError(f"--depth-units must be positive, such as 1000 for millimetres. Got {options.depth_units:g}")
    return PicturePairs(
        source,
        camera=Path(options.camera),
        depth_units=options.depth_units,
        every=options.every or 1,
        need_depth=need_depth,
    )


def _recipe(
    options: RgbdOptions,
    recording: Recording,
    labels: Labels | None,
    size: tuple[int, int],
    splits: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    masks = [recording.mask_file(name) for name in recording.places] if labels is not None else []
    contents = [mask.read_bytes() for mask in masks if isinstance(mask, Path) and mask.is_file()]
    return (
        {
            "importer": "rgbd",
            "importer_version": IMPORTER_VERSION,
            "size": list(size),
            "depth_units": options.depth_units,
            "files_sha256": recording.digest,
        }
        | ({"floor": FLOOR_VERSION} if options.floor else {})
        | ({} if labels is None else {"labels_sha256": labels.digest, "masks_sha256": _digest(contents)})
        | ({"val_share": options.val_share} if len(splits) > 1 else {})
    )


def _labels_of(recording: Recording, labels: Labels | None, report: Callable[[str], None]) -> Callable[..., Any]:
    if labels is None:
        return lambda name, shape: None
    if labels.unknown:
        report(
            f"{len(labels.unknown)} names of the labels are of no class that is known and count as unknown: "
            f'{", ".join(labels.unknown)}. Add "classes": {{"NAME": "CLASS" or null}} to the file of labels'
        )
    if not labels.classes:
        raise SourceError('--labels: none of its names is a class that is known; map them with "classes" in that file')

    def of(name: str, shape: tuple[int, int]) -> Any:
        return labels.of_frame(name, recording.aliases[name], recording.mask_file(name), shape)

    return of


def _check_registration(recording: Recording, report: Callable[[str], None]) -> None:
    names = list(recording.places)
    chosen = {names[i] for i in evenly_spaced(len(names), LOOKED_AT)}
    pairs = [(f.image, f.depth) for f in recording.frames(chosen, report) if f.depth is not None]
    found = edge_agreement(pairs)
    if found.is_wrong:
        raise SourceError(
            f"depth is not registered to the pictures: {found}, measured on {found.edges} pixels of {len(pairs)} "
            "frames. Record the depth that the driver aligned to the colour camera, and the two at the same time"
        )
    if found.is_off:
        report(f"depth may not be well registered: {found}")


def _fill(
    writer: ShardWriter,
    *,
    recording: Recording,
    names: Sequence[str],
    split: str,
    samples: RgbdSamples,
    marked: Callable[..., Any],
    report: Callable[[str], None],
) -> int:
    written = 0
    for frame in recording.frames(set(names), report):
        found = marked(frame.name, frame.image.shape[:2])
        writer.add(samples.sample(frame, room=recording.places[frame.name], split=split, marked=found))
        written += 1
    return len(names) - written


def _report_what_is_there(
    out: Path,
    manifest: Manifest,
    splits: Mapping[str, Sequence[str]],
    samples: RgbdSamples,
    options: RgbdOptions,
    labels: Labels | None,
    report: Callable[[str], None],
) -> None:
    number = sum(map(len, splits.values()))
    if samples.with_floor or options.floor:
        report(f"the floor is in sight in {samples.with_floor} of {number} frames")
    what = "depth and no objects"
    if labels is not None:
        what = f"{samples.objects} objects of {len(labels.classes)} classes in {samples.labelled} labelled frames"
    for split in splits:
        report(f"{out}: {split} has {manifest.frames(split)} frames with {what}")


def _part(split: str, splits: Mapping[str, Sequence[str]]) -> str:
    return PART if len(splits) == 1 else f"{PART} of {split}"


def _digest(contents: Sequence[bytes]) -> str:
    return sha256(b"".join(sha256(content).digest() for content in contents)).hexdigest()[:16]
