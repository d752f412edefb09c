"""Options of ``distill3d data import``."""

# Without `from __future__ import annotations`: Python 3.10 cannot evaluate a text that says KW_ONLY.

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from distill3d_ros.system.command_options import PictureSize, PositiveInt, Seed


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """The folder that samples are written to."""

    out: Path
    """Folder of the data set; a stopped import goes on there."""
    size: PictureSize = (224, 224)
    """Pixels of a picture, WIDTHxHEIGHT."""


@dataclass(frozen=True)
class ScanNetOptions(ImportOptions):
    """Scans of ScanNet, one split at a time; several imports with equal settings may fill one folder."""

    scans: Path
    """Folder with scene0000_00, scene0000_01, ..."""
    _: KW_ONLY
    split: Literal["train", "val", "test_known", "test"] = "train"
    """What the scans are for."""
    every: PositiveInt = 20
    """Take frames whose number is a multiple of this."""
    labels: Path | None = None
    """Label map scannetv2-labels.combined.tsv (default: that in or above SCANS)."""
    scenes: Path | None = None
    """File that names the scans to take, one a line, as scannetv2_train.txt (default: all)."""


@dataclass(frozen=True)
class NyuV2Options(ImportOptions):
    """The labelled frames of NYU Depth V2: train, val and test."""

    file: Path
    """The file nyu_depth_v2_labeled.mat."""
    _: KW_ONLY
    size: PictureSize = (496, 368)
    """Pixels of a picture of train and val, WIDTHxHEIGHT; those of test keep 620x460."""
    depth: Literal["filled", "raw"] = "filled"
    """Depth with its holes filled by the set's authors, or as the sensor measured it."""
    split_file: Path | None = None
    """Another division than the published one: a splits.mat with trainNdxs and testNdxs."""
    val_share: float = 0.125
    """Share of the training frames that is held out as val, by place."""


@dataclass(frozen=True)
class RgbdOptions(ImportOptions):
    """Pictures of an RGB-D camera, or a bag of it."""

    folder: Path
    """Folder with rgb/NAME.jpg and depth/NAME.png, or NAME_rgb.jpg and NAME_depth.png; or a bag."""
    _: KW_ONLY
    camera: Path | None = None
    """Calibration of the colour camera as camera_calibration writes it (YAML); pictures must be rectified. A bag has
    camera_info."""
    depth_units: float = 1000.0
    """What depth holds at 1 m: 1000 for millimetres, as ROS drivers write it (REP 118); TUM RGB-D has 5000."""
    floor: bool = False
    """Find the floor in the depth: which way is up, how high the camera stands."""
    labels: Path | None = None
    """What is in the pictures: JSON in COCO's layout, or with the names of masks that lie beside the pictures."""
    split: Literal["train", "val", "test_known", "test"] = "test_known"
    """What the frames are for."""
    val_share: float = 0.0
    """Share of the frames that is held out as val, by place."""
    every: PositiveInt | None = None
    """Take pictures whose number is a multiple of this (default: all of a folder, every tenth of a bag)."""
    image_topic: str = ""
    """Colour pictures of a bag (default: the first topic that has some)."""
    depth_topic: str = ""
    """Depth of a bag, registered to the colour camera (default: one that is named aligned or registered, else the
    first)."""


@dataclass(frozen=True)
class PicturesOptions(ImportOptions):
    """Pictures without depth and labels, for `distill3d teach`."""

    folder: Path
    """Folder of pictures, also in folders below it."""
    _: KW_ONLY
    size: PictureSize = (512, 384)
    """Pixels of a picture, WIDTHxHEIGHT."""
    camera: Path | None = None
    """Calibration of their camera as camera_calibration writes it (default: camera.yaml in FOLDER)."""
    fov: float | None = None
    """Horizontal field of view in degrees, where there is no calibration."""
    split: Literal["train", "val"] = "train"
    """What the pictures are for."""
    every: PositiveInt = 1
    """Take every so many pictures, in the order of their names."""


@dataclass(frozen=True)
class Front3dOptions(ImportOptions):
    """Rooms of 3D-FRONT with the furniture of 3D-FUTURE."""

    houses: Path
    """Folder 3D-FRONT, with one JSON a house."""
    _: KW_ONLY
    models: Path
    """Folder 3D-FUTURE-model, with model_info.json and a folder a model."""
    seed: Seed = 0
    """Of cameras, light and walls; the rooms are what they are."""
    workers: PositiveInt = 1
    """Processes, about 1 GB of memory each; the bytes do not depend on it."""
    frames_per_room: PositiveInt = 12
    """Pictures of a room, at most."""
    min_fill: float = 0.85
    """Share of its bounding rectangle that a room's floor must cover."""
