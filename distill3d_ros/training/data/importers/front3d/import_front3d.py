"""Import 3D-FRONT with 3D-FUTURE: ``distill3d data import 3d-front``.

The rooms of the published houses (see ``rooms``), rendered as the simulated ones are, in the same shards.
A shard holds the rooms of a few houses of one split and is the unit of work: the manifest lists it once it is whole,
so the same command goes on after a stop, and the same files and settings give the same bytes. ``import_report.json``
beside the manifest says what was skipped and why, and names every file that is missing or damaged.

Splits: a house's uid decides to which split its rooms belong, a model's id whether it is held out, both by hash, so
that it is the same on every machine. Rooms of ``train``, ``val`` and ``test_known`` show no held-out model, rooms of
``test_unseen`` nothing else: things with a model of the other side are left out of the room, and counted. Thus no
model of ``test_unseen`` is in any picture of the other splits.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from distill3d_ros.system.files import only_writer, write_whole
from distill3d_ros.training.data.generation.generation_plan import GENERATOR_VERSION, Recipe
from distill3d_ros.training.data.importers.front3d.furniture_models import MARKED, FrontError, FrontModels
from distill3d_ros.training.data.importers.front3d.render_workers import make_shards
from distill3d_ros.training.data.importers.front3d.room_shards import GroupReport, HouseGroup, Settings, house_groups
from distill3d_ros.training.data.importers.import_options import Front3dOptions
from distill3d_ros.training.data.manifest import (
    DEFAULT_RENDERER,
    Manifest,
    ShardInfo,
    write_manifest,
)
from distill3d_ros.training.data.resumable_data import resumable_manifest, whole_shards
from distill3d_ros.training.data.sample import SIMULATED_SPLITS
from distill3d_ros.worlds.rendering.factory import renderer_kind

REPORT_NAME = "import_report.json"
IMPORTER_VERSION = 1
"""Raise it when the same files give other rooms than before."""
HOUSES_PER_SHARD = 8


def import_front(
    options: Front3dOptions, *, houses_per_shard: int = HOUSES_PER_SHARD, say: Callable[[str], None] = print
) -> Manifest:
    """Make a data set of 3D-FRONT's rooms, or what is missing of it.

    Args:
        options: the houses, the models and the pictures that are taken; see there.
        houses_per_shard: houses in one tar.
        say: takes a line for each shard and each error.

    Returns:
        The manifest. Its ``planned_rooms`` are the rooms that are there: how many can be used shows when they are made.

    Raises:
        FrontError: no house, no model list, or not one room could be made.
        ShardError: ``out`` holds data that was made in another way, or another run is writing into it.
        OSError: a folder cannot be read or written to.
    """
    houses, models, out = Path(options.houses), Path(options.models), Path(options.out)
    _check_numbers(options, houses_per_shard)
    files = sorted(houses.glob("*.json"))
    if not files:
        raise FrontError(f"{houses} has no house (*.json); HOUSES must name the unpacked folder 3D-FRONT")
    renderer = renderer_kind(warn=say)
    settings = Settings(
        models=models,
        frames_per_room=options.frames_per_room,
        size=options.size,
        seed=options.seed,
        min_fill=options.min_fill,
        renderer=renderer,
    )
    recipe: dict[str, object] = {
        "source": "3D-FRONT",
        "importer_version": IMPORTER_VERSION,
        "generator_version": GENERATOR_VERSION,
        "camera_seed": options.seed,  # not "seed": folders of one seed count as the same rooms when they are mixed
        "frames_per_room": options.frames_per_room,
        "size": list(options.size),
        "min_fill": options.min_fill,
        "houses_per_shard": houses_per_shard,
        "houses": _fingerprint(files),
        "models": FrontModels(models).fingerprint(),
    }
    if renderer != DEFAULT_RENDERER:
        recipe["renderer"] = renderer
    groups = house_groups(files, houses_per_shard)
    with only_writer(out):
        reports, shards = _finished(out, recipe, groups)
        missing = [group for group in groups if group.file not in reports]
        say(f"{len(files)} houses in {len(groups)} shards, {len(reports)} of them made already")
        manifest = _write(out, recipe, groups, reports, shards)
        for group, report, info in make_shards(out, settings, missing, options.workers, say=say):
            reports[group.file] = report
            if info is not None:
                shards[group.file] = info
            manifest = _write(out, recipe, groups, reports, shards)
            for error in report.errors:
                say(f"skipped: {error}")
            say(
                f"{group.file}: {report.rooms} rooms of {report.houses} houses, {report.frames} frames; "
                f"{len(reports)} of {len(groups)} shards"
            )
    total = total_report(reports.values())
    say(describe_report(total))
    if not total.rooms:
        raise FrontError(
            f"not one room of {len(files)} houses could be made. {describe_report(total)}. "
            + (f"The first file at fault: {total.errors[0]}" if total.errors else "No file is missing or damaged")
        )
    return manifest


def total_report(reports: Iterable[GroupReport]) -> GroupReport:
    """All shards together."""
    total = GroupReport(houses=0)
    for report in reports:
        total.houses += report.houses
        total.rooms += report.rooms
        total.frames += report.frames
        total.skipped += report.skipped
        total.left_out += report.left_out
        total.errors += report.errors
    return total


def describe_report(report: GroupReport) -> str:
    """One line for a person."""

    def counts(numbers: Counter[str]) -> str:
        return ", ".join(f"{n} {reason}" for reason, n in numbers.most_common()) or "none"

    return (
        f"{report.rooms} rooms and {report.frames} frames of {report.houses} houses; rooms skipped: "
        f"{counts(report.skipped)}; things left out: {counts(report.left_out)}"
    )


# -------------------------------------------------------------------------------------------------------- the folder


def _check_numbers(options: Front3dOptions, houses_per_shard: int) -> None:
    # The limits of made data sets.
    Recipe(seed=options.seed, frames_per_room=options.frames_per_room, size=options.size)
    if options.workers < 1:
        raise ValueError(f"workers must be at least 1. Got {options.workers}")
    if not 0.5 <= options.min_fill <= 1.0:
        raise ValueError(f"min_fill is a share between 0.5 and 1. Got {options.min_fill}")
    if houses_per_shard < 1:
        raise ValueError(f"houses_per_shard must be at least 1. Got {houses_per_shard}")


def _fingerprint(files: Sequence[Path]) -> str:
    """Names the houses by their files' names and sizes; their content is gigabytes."""
    return hashlib.sha256("\n".join(f"{f.name} {f.stat().st_size}" for f in files).encode()).hexdigest()[:16]


def _finished(
    folder: Path, recipe: Mapping[str, object], groups: Sequence[HouseGroup]
) -> tuple[dict[str, GroupReport], dict[str, ShardInfo]]:
    """File -> report of the shards that need no more work, and what the manifest says of those that have a file."""
    manifest = resumable_manifest(folder, Manifest(recipe=recipe, planned_rooms={}, labels=MARKED))
    if manifest is None:
        return {}, {}
    return _whole_shards(folder, {shard.file: shard for shard in manifest.shards}, groups)


def _whole_shards(
    folder: Path, listed: Mapping[str, ShardInfo], groups: Sequence[HouseGroup]
) -> tuple[dict[str, GroupReport], dict[str, ShardInfo]]:
    try:
        report = json.loads((folder / REPORT_NAME).read_text())
        known = {file: GroupReport.from_dict(entry) for file, entry in report["shards"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}  # made again, and the report with it
    reports, shards = {}, {}
    for group in groups:
        if group.file not in known:
            continue
        if known[group.file].rooms:
            if group.file not in listed or not whole_shards(folder, [listed[group.file]]):
                continue
            shards[group.file] = listed[group.file]
        reports[group.file] = known[group.file]
    return reports, shards


def _write(
    folder: Path,
    recipe: Mapping[str, object],
    groups: Sequence[HouseGroup],
    reports: Mapping[str, GroupReport],
    shards: Mapping[str, ShardInfo],
) -> Manifest:
    """The report first: a shard that the manifest lists without it would be made again."""
    in_order = {group.file: reports[group.file] for group in groups if group.file in reports}
    data = {
        "format_version": 1,
        "total": total_report(in_order.values()).to_dict(),
        "shards": {file: report.to_dict() for file, report in in_order.items()},
    }
    write_whole(folder / REPORT_NAME, json.dumps(data, indent=1) + "\n")
    listed = tuple(shards[group.file] for group in groups if group.file in shards)
    manifest = Manifest(
        recipe=recipe,
        planned_rooms={
            split: sum(shard.rooms for shard in listed if shard.split == split) for split in SIMULATED_SPLITS
        },
        shards=listed,
        labels=MARKED,
        complete=all(group.file in reports for group in groups),
    )
    write_manifest(folder, manifest)
    return manifest
