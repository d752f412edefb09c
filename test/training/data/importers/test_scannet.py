"""Importers: scans in the published formats become samples whose boxes, ids and depth are where they should be."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.scannet_scan import (
    COLOR,
    DEPTH,
    FRAMES,
    HIDDEN,
    HIDING_DEPTH,
    LOST,
    SCAN,
    THINGS,
    WALL_COLOR,
    camera_pose,
    trace,
    write_annotations,
    write_sens,
)

from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.training.data.importers.import_folder import RECORDS_NAME
from distill3d_ros.training.data.importers.import_options import ScanNetOptions
from distill3d_ros.training.data.importers.scannet.scannet import import_scannet
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.data.shards import ShardReader

SIZE = (64, 48)
SEEN = Intrinsics(
    fx=293.0 * 64 / 323, fy=292.0 * 48 / 242, cx=160.8 * 64 / 323 - 0.5, cy=119.4 * 48 / 242 - 0.5, width=64, height=48
)
"""Of the samples, by hand: 324 x 242 cut to 323 x 242 (4 : 3) from the left edge on, then resized."""


@pytest.fixture(scope="module")
def imported(published_scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every other frame; the third has no pose."""
    folder = tmp_path_factory.mktemp("imported")
    import_scannet(ScanNetOptions(scans=published_scans, out=folder, every=2, size=SIZE), report=print)
    return folder


def test_boxes_come_back(imported: Path):
    """Centre, size and direction of every labelled thing, from the level frame back to the world."""
    for sample in ShardReader(imported, "train"):
        scene, pose = sample.scene, sample.frame.world_from_camera
        assert [(o.id, o.label) for o in scene.objects] == [(1, "table"), (2, "chair"), (3, "trash can")]
        world_from_level = pose[:3, :3] @ scene.level_from_optical.T
        np.testing.assert_allclose(world_from_level @ [0, 1, 0], [0, 0, -1], atol=1e-5)
        for found in scene.objects:
            thing = THINGS[found.id - 1]
            center = world_from_level @ found.box.center + pose[:3, 3]
            np.testing.assert_allclose(center, thing.center, atol=0.01)
            long, short = sorted(thing.size[:2], reverse=True)
            np.testing.assert_allclose(found.box.size, [long, thing.size[2], short], atol=0.01)
            long_axis = thing.rotation[:, 0 if thing.size[0] > thing.size[1] else 1]
            assert abs(world_from_level @ found.box.rotation[:, 0] @ long_axis) > math.cos(0.02)
            assert not found.has_front


def test_boxes_project_where_the_things_are(imported: Path):
    """Through the level frame and the sample's camera, against the pinhole formula in the world."""
    sample = ShardReader(imported, "train")[0]
    pose = camera_pose(0)
    for found in sample.scene.objects:
        optical = found.box.corners() @ sample.scene.level_from_optical
        expected = (THINGS[found.id - 1].corners() - pose[:3, 3]) @ pose[:3, :3]
        pixels, by_hand = (
            np.stack([SEEN.fx * p[:, 0] / p[:, 2] + SEEN.cx, SEEN.fy * p[:, 1] / p[:, 2] + SEEN.cy], axis=1)
            for p in (optical, expected)
        )
        apart = np.linalg.norm(pixels[:, None] - by_hand[None], axis=2)
        assert apart.min(axis=0).max() < 0.3
        assert apart.min(axis=1).max() < 0.3


def test_ids_are_at_the_right_pixels(imported: Path):
    sample = ShardReader(imported, "train")[0]
    expected, _ = trace(SEEN, camera_pose(0))
    assert set(np.unique(expected)) == {0, 1, 2, 3, 4}, "the monitor has no label, but is seen"
    agree = (sample.ids == expected).mean()
    assert agree > 0.995
    for axis in (0, 1):
        assert (np.roll(sample.ids, 1, axis) == expected).mean() < agree - 0.02, "one pixel off would be noticed"
    for found in sample.scene.objects:
        rows, columns = np.nonzero(sample.ids == found.id)
        assert found.visible_pixels == len(rows)
        edges = columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5
        assert found.image_box == edges


def test_depth_is_at_the_right_pixels(imported: Path):
    """Depth and colour cameras differ, so taking one for the other would be far off."""
    sample = ShardReader(imported, "train")[0]
    expected_ids, expected = trace(SEEN, camera_pose(0))
    u = (np.arange(64) - SEEN.cx) / SEEN.fx * DEPTH.fx + DEPTH.cx
    v = (np.arange(48) - SEEN.cy) / SEEN.fy * DEPTH.fy + DEPTH.cy
    outside = ((v < -0.5) | (v > DEPTH.height - 0.5))[:, None] | ((u < -0.5) | (u > DEPTH.width - 0.5))[None]
    assert 0.02 < outside.mean() < 0.2
    assert (sample.scene.depth[outside] == 0).all(), "the depth camera sees less than the colour camera"
    around, flat = np.ones((3, 3)), expected_ids.astype(np.uint8)
    inside = (cv2.dilate(flat, around) == cv2.erode(flat, around)) & ~outside
    assert inside.mean() > 0.6
    assert np.abs(sample.scene.depth - expected)[inside].max() < 0.1
    assert np.median(np.abs(sample.scene.depth - expected)[inside]) < 0.01
    stretched = cv2.resize(trace(DEPTH, camera_pose(0))[1], SIZE, interpolation=cv2.INTER_NEAREST)
    assert np.median(np.abs(stretched - expected)[inside]) > 0.02, "this test would notice another camera"


def test_picture_shows_the_things_at_their_ids(imported: Path):
    sample = ShardReader(imported, "train")[0]
    assert sample.frame.image.shape == (48, 64, 3)
    for number, color in enumerate([WALL_COLOR, *(thing.color for thing in THINGS)]):
        own = cv2.erode((sample.ids == number).astype(np.uint8), np.ones((3, 3))) > 0
        assert own.sum() >= 4
        assert np.abs(np.median(sample.frame.image[own], axis=0) - color).max() < 25, "JPEG keeps colours roughly"


def test_what_the_scene_says(imported: Path):
    for sample in ShardReader(imported, "train"):
        scene = sample.scene
        assert scene.contacts is None
        assert scene.gaps is None
        assert scene.supports is None
        assert (scene.annotation.depth, scene.annotation.boxes) == ("measured", "amodal")
        assert scene.annotation.tells_of("chair")
        assert (sample.room, sample.room_type, sample.split) == (SCAN, "living room / lounge", "train")
        for name in ("fx", "fy", "cx", "cy", "width", "height"):
            assert getattr(scene.intrinsics, name) == pytest.approx(getattr(SEEN, name), abs=1e-3), name
        pose = camera_pose(int(sample.key[-6:]))
        np.testing.assert_allclose(sample.frame.world_from_camera, pose, atol=1e-5)
        np.testing.assert_allclose(sample.frame.up, pose[2, :3], atol=1e-5)


def test_what_is_hidden_by_something_else_is_not_seen(imported: Path):
    """Something stands before the camera that the mesh does not have."""
    sample = ShardReader(imported, "train")[1]
    assert sample.key.endswith(f"{HIDDEN:06d}")
    expected, _ = trace(SEEN, camera_pose(HIDDEN))
    hidden = np.abs(sample.scene.depth - HIDING_DEPTH) < 0.001
    assert hidden.mean() > 0.05
    assert (expected[hidden] > 0).sum() > 30
    assert (sample.ids[hidden] == UNKNOWN_ID).all()
    assert (sample.ids == expected)[~hidden].mean() > 0.995


def test_frames_without_a_pose_are_left_out_and_counted(published_scans: Path, imported: Path, tmp_path: Path):
    assert FRAMES == 5
    assert LOST == 2
    assert ShardReader(imported, "train").keys == [f"{SCAN}-000000", f"{SCAN}-000004"]
    records = json.loads((imported / RECORDS_NAME).read_text())
    assert records == {"train-000000.tar": {"part": SCAN, "frames": 2, "left_out": 1}}
    lines: list[str] = []
    import_scannet(ScanNetOptions(scans=published_scans, out=tmp_path, every=1, size=SIZE), report=lines.append)
    assert len(ShardReader(tmp_path, "train")) == 4
    assert lines[1] == f"{SCAN}: 4 frames, 1 without a pose left out; 1 of 1 scans"


def test_sens_file_gives_the_same_bytes(published_scans: Path, imported: Path, tmp_path: Path):
    folder = tmp_path / "scans" / SCAN
    write_annotations(folder)
    write_sens(folder / f"{SCAN}.sens")
    labels = published_scans / "scannetv2-labels.combined.tsv"
    import_scannet(
        ScanNetOptions(scans=folder.parent, out=tmp_path / "out", every=2, size=SIZE, labels=labels), report=print
    )
    a, b = ShardReader(imported, "train"), ShardReader(tmp_path / "out", "train")
    assert a.keys == b.keys
    for number in range(len(a)):
        for part in ("rgb.jpg", "depth.png", "ids.png"):
            assert a.part(number, part) == b.part(number, part), part
        one, other = a[number], b[number]
        np.testing.assert_allclose(one.frame.world_from_camera, other.frame.world_from_camera, atol=2e-6)


@pytest.mark.parametrize("size", [(48, 48), (40, 90), (400, 300)])
def test_sizes(published_scans: Path, tmp_path: Path, size: tuple[int, int]):
    """The centre of the picture stays where it was, and pixels are square as before."""
    import_scannet(ScanNetOptions(scans=published_scans, out=tmp_path, every=4, size=size), report=print)
    sample = ShardReader(tmp_path, "train")[0]
    camera = sample.frame.intrinsics
    assert sample.frame.image.shape == (size[1], size[0], 3)
    assert sample.ids.shape == sample.scene.depth.shape == (size[1], size[0])
    assert camera.fx / camera.fy == pytest.approx(COLOR.fx / COLOR.fy, rel=0.02)
    for focal, center, side, whole in (
        (camera.fx / COLOR.fx, camera.cx, size[0], COLOR.cx - 161.5),
        (camera.fy / COLOR.fy, camera.cy, size[1], COLOR.cy - 120.5),
    ):
        assert center - (side - 1) / 2 == pytest.approx(whole * focal, abs=0.51 * focal)
    expected, _ = trace(camera, camera_pose(0))
    assert (sample.ids == expected).mean() > 0.99
