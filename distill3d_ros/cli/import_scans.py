"""The commands ``distill3d data import`` scannet, nyuv2 and rgbd."""

from __future__ import annotations

import argparse
from pathlib import Path

from distill3d_ros.cli.arguments import Command, Options, positive, size


def _shared_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the data set; a stopped import goes on there"
    )
    parser.add_argument("--size", type=size, default=(224, 224), metavar="WxH", help="pixels of a picture")


def _import_scannet_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scans", type=Path, metavar="SCENES_DIR", help="folder with scene0000_00, scene0000_01, ...")
    _shared_arguments(parser)
    parser.add_argument(
        "--split", default="train", choices=("train", "val", "test_known"), help="what the scans are for"
    )
    parser.add_argument("--every", type=positive, default=20, help="take frames whose number is a multiple of this")
    parser.add_argument("--labels", type=Path, metavar="TSV", help="label map (default: that in or above SCENES_DIR)")
    parser.add_argument("--scenes", type=Path, metavar="LIST", help="file that names the scans to take, one a line")


def _import_scannet(options: Options) -> int:
    from distill3d_ros.training.data.importers.scannet.scannet import import_scannet

    import_scannet(
        options.scans,
        options.out,
        split=options.split,
        every=options.every,
        size=options.size,
        labels=options.labels,
        scenes=options.scenes,
    )
    return 0


def _import_nyuv2_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.mat", help="nyu_depth_v2_labeled.mat")
    _shared_arguments(parser)


def _import_nyuv2(options: Options) -> int:
    from distill3d_ros.training.data.importers.nyuv2 import import_nyuv2

    import_nyuv2(options.file, options.out, size=options.size)
    return 0


def _import_rgbd_arguments(parser: argparse.ArgumentParser) -> None:
    from distill3d_ros.training.data.importers.rgbd_folder import DEPTH_UNITS

    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="rgb/NAME.jpg and depth/NAME.png, or NAME_rgb.jpg and NAME_depth.png",
    )
    _shared_arguments(parser)
    parser.add_argument(
        "--camera", type=Path, required=True, metavar="YAML", help="calibration as camera_calibration writes it"
    )
    parser.add_argument(
        "--depth-units", type=float, default=DEPTH_UNITS, help="what depth holds at 1 m (default 1000: millimetres)"
    )
    parser.add_argument(
        "--floor", action="store_true", help="find the floor in the depth: which way is up, how high the camera stands"
    )


def _import_rgbd(options: Options) -> int:
    from distill3d_ros.training.data.importers.rgbd_folder import import_rgbd

    import_rgbd(
        options.folder,
        options.out,
        camera=options.camera,
        depth_units=options.depth_units,
        size=options.size,
        floor=options.floor,
    )
    return 0


SCAN_COMMANDS: dict[str, Command] = {
    "data import scannet": ("read scans of ScanNet", _import_scannet_arguments, _import_scannet),
    "data import nyuv2": ("read NYU Depth V2, to measure depth on", _import_nyuv2_arguments, _import_nyuv2),
    "data import rgbd": ("read an RGB-D camera's pictures, to measure depth on", _import_rgbd_arguments, _import_rgbd),
}
