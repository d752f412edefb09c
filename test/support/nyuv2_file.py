"""Small files in the published layout of ``nyu_depth_v2_labeled.mat``, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.training.data.importers.import_options import NyuV2Options
from distill3d_ros.training.data.importers.nyuv2.import_nyuv2 import import_nyuv2
from distill3d_ros.training.data.importers.nyuv2.labeled_file import CAMERA

NAMES = ("wall", "floor", "chair", "television", "otherprop", "gizmo", "floor mat")
WALL, FLOOR, CHAIR, TELEVISION, ANYTHING, GIZMO = 1, 2, 3, 4, 5, 6
UP = np.array([0.03, -0.96, -0.28]) / np.linalg.norm([0.03, -0.96, -0.28])
HEIGHT = 1.3
"""Metres of the camera above the floor."""
BACK = 4.0
"""Metres to a wall across the picture."""
BOXES = {
    "left chair": (120, 250, 200, 330, 2.0),
    "right chair": (200, 250, 300, 330, 2.6),
    "tv": (400, 100, 500, 170, 3.5),
}
"""Left, top, right, bottom in pixels of the whole picture, and depth in metres: rectangles that face the camera."""


def room() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth (480, 640), labels and instances: floor, wall, two chairs that touch in the picture, a television."""
    rays = CAMERA.rays()
    slope = -(rays @ UP)  # metres below the camera, at 1 m depth
    on_floor = np.where(slope > 1e-3, HEIGHT / np.maximum(slope, 1e-3), np.inf)
    depth = np.minimum(on_floor, BACK).astype(np.float32)
    labels = np.where(on_floor < BACK, FLOOR, WALL).astype(np.uint16)
    instances = np.ones_like(labels)
    for number, (name, (left, top, right, bottom, distance)) in enumerate(BOXES.items(), 1):
        cut = np.s_[top:bottom, left:right]
        depth[cut], instances[cut] = distance, number
        labels[cut] = TELEVISION if name == "tv" else CHAIR
    labels[300:320, 520:560], labels[330:350, 520:560], labels[360:380, 520:560] = 0, ANYTHING, GIZMO
    return depth, labels, instances


def write_nyuv2(
    path: Path,
    *,
    number: int = 3,
    without: tuple[str, ...] = (),
    scenes: tuple[str, ...] = (),
    signs: Any = (-1, -1, 1),
) -> None:
    """The axes are reversed as MATLAB's are. Red grows with the column, green with the row, the border is white.

    Args:
        without: keys to leave out.
        signs: of the accelerometer's axes.
    """
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install h5py")
    rows, columns = np.mgrid[:480, :640]
    image = np.stack([columns * 255 // 640, rows * 255 // 480, np.full_like(rows, 60)]).astype(np.uint8)
    image[:, :10] = image[:, 470:] = image[:, :, :10] = image[:, :, 630:] = 255
    depth, labels, instances = room()
    arrays = {
        "images": np.stack([image.transpose(0, 2, 1)] * number),
        "depths": np.stack([depth.T] * number),
        "rawDepths": np.stack([np.where(columns < 100, 0, depth).T.astype(np.float32)] * number),
        "labels": np.stack([labels.T] * number),
        "instances": np.stack([instances.T.astype(np.uint8)] * number),
        "accelData": np.tile(np.append(9.7 * UP * signs, 3.0)[:, None], number),
    }
    texts = {
        "names": NAMES,
        "scenes": tuple(f"living_room_{i:04d}" for i in range(number)),
        "sceneTypes": ("living_room",) * number,
    }
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if name not in without:
                file.create_dataset(name, data=array, compression="gzip", compression_opts=1)
        for name, values in texts.items():
            if name in without:
                continue
            references = np.empty((1, len(values)), h5py.ref_dtype)
            for i, text in enumerate(values):
                characters = np.frombuffer(text.encode("utf-16-le"), np.uint16)[:, None]
                references[0, i] = file.create_dataset(f"#refs#/{name}{i}", data=characters).ref
            file.create_dataset(name, data=references, dtype=h5py.ref_dtype)


def write_splits(path: Path, *, train: list[int], test: list[int]) -> Path:
    """``splits.mat`` with numbers from 1."""
    io = pytest.importorskip("scipy.io", reason="scipy is not installed: pip install scipy")
    io.savemat(path, {"trainNdxs": np.array(train)[:, None], "testNdxs": np.array(test)[:, None]})
    return path


def nyu_folder(folder: Path, *, val_share: float = 0.0) -> Path:
    """Three training frames, imported; ``val_share`` of them are to validate on."""
    write_nyuv2(folder / "nyu.mat", number=4)
    splits = write_splits(folder / "splits.mat", train=[1, 3, 4], test=[2])
    options = NyuV2Options(file=folder / "nyu.mat", out=folder / "nyu", split_file=splits, val_share=val_share)
    import_nyuv2(options, report=lambda line: None)
    return options.out


def level() -> np.ndarray:
    """(3, 3) level from optical."""
    return level_rotation(UP)
