"""The commands about data sets: ``distill3d data ...``."""

from __future__ import annotations

import json
from typing import Any

from distill3d_ros.cli.command import Command
from distill3d_ros.training.data.generation.generation_options import GenerateOptions, SequenceOptions
from distill3d_ros.training.data.importers.import_options import (
    Front3dOptions,
    NyuV2Options,
    PicturesOptions,
    RgbdOptions,
    ScanNetOptions,
)
from distill3d_ros.training.data.inspection.inspection_options import ShowOptions, StatsOptions, VerifyOptions
from distill3d_ros.training.evaluation.evaluation_options import BlindOptions


def _generate(options: GenerateOptions | SequenceOptions) -> int:
    from distill3d_ros.training.data.generation.generate import generate

    generate(options)
    return 0


def _import_scannet(options: ScanNetOptions) -> int:
    from distill3d_ros.training.data.importers.scannet.scannet import import_scannet

    import_scannet(options)
    return 0


def _import_nyuv2(options: NyuV2Options) -> int:
    from distill3d_ros.training.data.importers.nyuv2.import_nyuv2 import import_nyuv2

    import_nyuv2(options)
    return 0


def _import_rgbd(options: RgbdOptions) -> int:
    from distill3d_ros.training.data.importers.rgbd.import_rgbd import import_rgbd

    import_rgbd(options)
    return 0


def _import_pictures(options: PicturesOptions) -> int:
    from distill3d_ros.training.data.importers.pictures import import_pictures

    import_pictures(options)
    return 0


def _import_front3d(options: Front3dOptions) -> int:
    from distill3d_ros.training.data.importers.front3d.import_front3d import import_front

    import_front(options)
    return 0


def _show(options: ShowOptions) -> int:
    from distill3d_ros.training.data.inspection.show import show

    show(options)
    print(f"wrote {options.out}")
    return 0


def _stats(options: StatsOptions) -> int:
    from distill3d_ros.training.data.inspection.stats import data_stats, plot_stats, print_stats

    stats = data_stats(options.data, options.split, scenes=options.scenes)
    if options.json:
        print(json.dumps(stats.to_dict()))
    else:
        print_stats(stats)
    if options.out:
        plot_stats(stats, options.out)
        if not options.json:
            print(f"wrote {options.out}")
    return 0


def _blind(options: BlindOptions) -> int:
    from distill3d_ros.training.evaluation.question_only_baseline import blind

    blind(options)
    return 0


def _verify(options: VerifyOptions) -> int:
    from distill3d_ros.training.data.shards import verify_folder

    manifest = verify_folder(options.data)
    counts = ", ".join(f"{split} {manifest.frames(split)}" for split in manifest.planned_rooms)
    state = "complete" if manifest.complete else "not complete yet"
    print(f"{options.data}: {len(manifest.shards)} shards are as the manifest says; frames: {counts}; {state}")
    return 0


DATA_COMMANDS: dict[str, Command[Any]] = {
    "data generate": Command("make a data set of simulated rooms", GenerateOptions, _generate),
    "data sequences": Command("make a data set of drives through rooms", SequenceOptions, _generate),
    "data import scannet": Command("read scans of ScanNet", ScanNetOptions, _import_scannet),
    "data import nyuv2": Command("read NYU Depth V2", NyuV2Options, _import_nyuv2),
    "data import rgbd": Command("read recordings of your own RGB-D camera", RgbdOptions, _import_rgbd),
    "data import pictures": Command("read pictures without labels, for a teacher", PicturesOptions, _import_pictures),
    "data import 3d-front": Command("render the rooms of 3D-FRONT", Front3dOptions, _import_front3d),
    "data show": Command("draw samples with boxes, ids, depth and questions", ShowOptions, _show),
    "data stats": Command("count labels, designs, depths and questions", StatsOptions, _stats),
    "data blind": Command("test what questions give away to a model that never looks", BlindOptions, _blind),
    "data verify": Command("compare a data set with its checksums", VerifyOptions, _verify),
}
