"""The commands about data sets: ``distill3d data ...``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from distill3d_ros.cli.arguments import Command, Options, positive, rooms, size, span
from distill3d_ros.cli.import_3d_front import FRONT_COMMANDS
from distill3d_ros.cli.import_scans import SCAN_COMMANDS


def _folder_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rooms",
        type=rooms,
        required=True,
        help="number of rooms, all splits together; or of each, as train=1700,val=30,test_known=90,test_unseen=90",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes")
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--workers", type=positive, help="processes (default: one a core)")
    parser.add_argument("--size", type=size, default=(224, 224), metavar="WxH", help="pixels of a picture")


def _data_generate_arguments(parser: argparse.ArgumentParser) -> None:
    _folder_arguments(parser)
    parser.add_argument("--frames-per-room", type=positive, default=12, help="pictures of a room, at most")


def _data_generate(options: Options) -> int:
    from distill3d_ros.training.data.generation.generate import generate

    generate(
        options.out,
        rooms=options.rooms,
        seed=options.seed,
        workers=options.workers,
        frames_per_room=options.frames_per_room,
        size=options.size,
    )
    return 0


def _data_sequences_arguments(parser: argparse.ArgumentParser) -> None:
    _folder_arguments(parser)
    parser.add_argument(
        "--frames", type=span, default=(10, 60), metavar="FEWEST..MOST", help="of a drive; or one number (10..60)"
    )
    parser.add_argument("--interval", type=float, default=0.5, help="seconds between frames, at 0.3 m/s")


def _data_sequences(options: Options) -> int:
    from distill3d_ros.training.data.generation.generate import generate
    from distill3d_ros.training.data.generation.generation_plan import SequencePlan

    plan = SequencePlan(frames=options.frames, interval=options.interval)
    generate(
        options.out,
        rooms=options.rooms,
        seed=options.seed,
        workers=options.workers,
        size=options.size,
        sequence=plan,
    )
    return 0


def _data_show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of a data set")
    parser.add_argument("--split", default="train", help="which part of it")
    parser.add_argument("--count", type=positive, default=12, help="samples on the sheet")
    parser.add_argument("--seed", type=int, default=0, help="which samples")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--model", type=Path, help="show what this student sees, beside the truth")
    way.add_argument("--plain", action="store_true", help="frames only, small, evenly over the types of rooms")
    way.add_argument(
        "--relations",
        nargs="+",
        metavar="RELATION",
        help="cases of these to check by eye, such as touching on against: half true, half near misses",
    )
    parser.add_argument("--out", type=Path, default=Path("contact_sheet.png"), help="picture to write")


def _data_show(options: Options) -> int:
    from distill3d_ros.training.data.inspection.show import show

    show(
        options.data,
        options.out,
        split=options.split,
        count=options.count,
        seed=options.seed,
        model=options.model,
        plain=options.plain,
        relations=options.relations,
    )
    print(f"wrote {options.out}")
    return 0


def _data_verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of a data set")


def _data_verify(options: Options) -> int:
    from distill3d_ros.training.data.shards import verify_folder

    manifest = verify_folder(options.data)
    counts = ", ".join(f"{split} {manifest.frames(split)}" for split in manifest.planned_rooms)
    state = "complete" if manifest.complete else "not complete yet"
    print(f"{options.data}: {len(manifest.shards)} shards are as the manifest says; frames: {counts}; {state}")
    return 0


def _data_stats_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of a data set")
    parser.add_argument("--split", default="train", help="which part of it")
    parser.add_argument("--scenes", type=positive, default=1500, help="frames to look at, at most")
    parser.add_argument("--json", action="store_true", help="print one JSON object in place of tables")
    parser.add_argument("--out", type=Path, help="also draw a picture to this file")


def _data_stats(options: Options) -> int:
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


def _data_blind_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="folder of a data set with a training split")
    parser.add_argument(
        "--splits", nargs="+", metavar="SPLIT", help="where it is tested (default: the test splits it has)"
    )
    parser.add_argument("--questions", type=positive, default=4000, help="questions a split, about")
    parser.add_argument("--frames", type=positive, default=600, help="frames a split, at most")
    parser.add_argument("--steps", type=positive, default=2000, help="training steps of the text model, at most")
    parser.add_argument("--seed", type=int, default=0, help="which questions are asked")
    parser.add_argument("--out", type=Path, help="also write the tables to this file (Markdown)")


def _data_blind(options: Options) -> int:
    from distill3d_ros.training.evaluation.question_only_baseline import blind

    blind(
        options.data,
        splits=options.splits,
        questions=options.questions,
        frames=options.frames,
        steps=options.steps,
        seed=options.seed,
        out=options.out,
    )
    return 0


DATA_COMMANDS: dict[str, Command] = {
    "data generate": ("make a data set of simulated rooms", _data_generate_arguments, _data_generate),
    "data sequences": ("make a data set of drives through rooms", _data_sequences_arguments, _data_sequences),
    **SCAN_COMMANDS,
    **FRONT_COMMANDS,
    "data show": ("draw samples with boxes, ids, depth and questions", _data_show_arguments, _data_show),
    "data stats": ("count labels, designs, depths and questions", _data_stats_arguments, _data_stats),
    "data blind": ("test what questions give away to a model that never looks", _data_blind_arguments, _data_blind),
    "data verify": ("compare a data set with its checksums", _data_verify_arguments, _data_verify),
}
