"""The command ``distill3d data import 3d-front``."""

from __future__ import annotations

import argparse
from pathlib import Path

from distill3d_ros.cli.arguments import Command, Options, positive, size


def _import_front_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("houses", type=Path, metavar="HOUSES", help="folder 3D-FRONT, with one JSON a house")
    parser.add_argument("--models", type=Path, required=True, help="folder 3D-FUTURE-model, with model_info.json")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the data set; a stopped import goes on there"
    )
    parser.add_argument("--seed", type=int, default=0, help="of cameras, light and walls")
    parser.add_argument("--workers", type=positive, default=1, help="processes, about 1 GB of memory each")
    parser.add_argument("--frames-per-room", type=positive, default=12, help="pictures of a room, at most")
    parser.add_argument("--size", type=size, default=(224, 224), metavar="WxH", help="pixels of a picture")
    parser.add_argument(
        "--min-fill", type=float, default=0.85, metavar="SHARE", help="of its rectangle that a room's floor must cover"
    )


def _import_front(options: Options) -> int:
    from distill3d_ros.training.data.importers.front3d.import_front3d import import_front

    import_front(
        options.houses,
        options.models,
        options.out,
        frames_per_room=options.frames_per_room,
        size=options.size,
        seed=options.seed,
        workers=options.workers,
        min_fill=options.min_fill,
    )
    return 0


FRONT_COMMANDS: dict[str, Command] = {
    "data import 3d-front": ("render the rooms of 3D-FRONT", _import_front_arguments, _import_front),
}
