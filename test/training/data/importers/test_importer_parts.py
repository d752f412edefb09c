"""What importers are made of: boxes, ids of a mesh, registered depth, labels, commands."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.scannet_scan import SCAN, publish

from distill3d_ros.cli import main as cli
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.training.data.importers.instance_boxes import LEAST_SIDE, smallest_upright_box
from distill3d_ros.training.data.importers.instance_ids import hide_what_is_not_there, render_instances
from distill3d_ros.training.data.importers.resampling import register_depth
from distill3d_ros.training.data.importers.scannet.scan_labels import _TABLE, LABEL_OF, LabelMap
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.data.shards import ShardReader

# ------------------------------------------------------------------------------------------------------------- boxes


def turned(points: np.ndarray, yaw: float) -> np.ndarray:
    c, s = math.cos(yaw), math.sin(yaw)
    return points @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("yaw", np.linspace(-math.pi, math.pi, 9) + 0.03)
@pytest.mark.parametrize("size", [(2.0, 0.7, 1.1), (0.4, 1.9, 0.3)])
def test_box_of_a_box(yaw: float, size: tuple[float, float, float]):
    """The longer side is the box's own x."""
    own = np.random.default_rng(3).uniform(-0.5, 0.5, (300, 3))
    own = np.concatenate([own, [[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]]) * size
    middle = np.array([70.0, -30.0, 2.0])
    box = smallest_upright_box(turned(own, yaw) + middle)
    np.testing.assert_allclose(box.center, middle, atol=1e-5)
    np.testing.assert_allclose(box.size, [max(size[:2]), min(size[:2]), size[2]], atol=1e-5)
    expected = yaw if size[0] > size[1] else yaw + math.pi / 2
    assert abs(math.sin(box.yaw - expected)) < 1e-5
    assert -math.pi / 2 < box.yaw <= math.pi / 2


@pytest.mark.parametrize("seed", range(4))
def test_no_other_direction_gives_a_smaller_box(seed: int):
    points = np.random.default_rng(seed).normal(size=(40, 3)) * [1.0, 0.6, 0.3]
    box = smallest_upright_box(points)
    areas = [np.prod(np.ptp(turned(points, angle)[:, :2], axis=0)) for angle in np.linspace(0, math.pi, 720)]
    assert box.size[0] * box.size[1] <= min(areas) * (1 + 1e-6)
    own = turned(points - box.center, -box.yaw)
    assert (np.abs(own) <= box.size / 2 + 1e-6).all(), "all points are inside"


def test_boxes_of_a_plane_and_of_a_point():
    upright = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.5], [0.0, 0.0, 1.5]])
    box = smallest_upright_box(upright)
    np.testing.assert_allclose(box.size, [math.sqrt(2), LEAST_SIDE, 1.5], atol=1e-6)
    assert box.yaw == pytest.approx(math.pi / 4)
    np.testing.assert_allclose(smallest_upright_box(np.ones((1, 3))).size, LEAST_SIDE)
    for wrong in (np.zeros((0, 3)), np.full((2, 3), np.nan), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="points must be"):
            smallest_upright_box(wrong)


# --------------------------------------------------------------------------------------------------------------- ids


def meet(rays: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """Depth (H, W) at which rays with z = 1 meet a triangle, infinite where they do not (Moeller and Trumbore 1997)."""
    a, b, c = triangle
    p = np.cross(rays, c - a)
    scale = p @ (b - a)
    u = p @ -a / scale
    q = np.cross(-a, b - a)
    v, t = rays @ q / scale, (c - a) @ q / scale
    return np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)


@pytest.mark.parametrize("seed", range(3))
def test_ids_of_triangles_everywhere(seed: int):
    """Around, before, behind and through the camera, against rays."""
    rng = np.random.default_rng(seed)
    camera = Intrinsics(fx=30.0, fy=33.0, cx=20.5, cy=14.0, width=40, height=30)
    middle = rng.normal(size=(150, 1, 3))
    middle *= rng.uniform(1.0, 4.0, (150, 1, 1)) / np.linalg.norm(middle, axis=2, keepdims=True)
    triangles = middle + rng.normal(size=(150, 3, 3)) * 0.3
    triangles[:2] = [[[-9, 2, -9], [9, 2, -9], [1, 3, 20]], [[3, -9, -5], [3, 9, -5], [2, 0, 9]]]  # from behind it
    depths = np.stack([meet(camera.rays().astype(float), triangle) for triangle in triangles])
    expected = np.where(np.isfinite(depths.min(axis=0)), depths.argmin(axis=0) + 1, UNKNOWN_ID)
    assert len(np.unique(expected)) > 6
    assert np.isin(expected, (1, 2)).mean() > 0.05
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation * np.sign(np.linalg.det(rotation)), [5.0, -3.0, 1.0]
    world = triangles.reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3]
    ids, depth = render_instances(
        world, np.arange(450).reshape(150, 3), np.arange(1, 151, dtype=np.uint16), camera, pose
    )
    assert (ids == expected).mean() > 0.999
    same = (ids == expected) & (expected < UNKNOWN_ID)
    np.testing.assert_allclose(depth[same], depths.min(axis=0)[same], rtol=1e-5)
    assert (depth[expected == UNKNOWN_ID] == 0).mean() > 0.999


def test_no_mesh_no_ids():
    camera = Intrinsics.from_fov(width=8, height=6, horizontal_fov=1.0)
    ids, depth = render_instances(np.zeros((0, 3)), np.zeros((0, 3), int), np.zeros(0, np.uint16), camera, np.eye(4))
    assert ids.shape == depth.shape == (6, 8)
    assert (ids == UNKNOWN_ID).all()
    assert not depth.any()


def test_ids_where_the_measured_depth_disagrees():
    ids, mesh = np.full((1, 5), 7, np.uint16), np.full((1, 5), 2.0, np.float32)
    measured = np.array([[2.0, 2.15, 2.3, 1.0, 0.0]], np.float32)
    np.testing.assert_array_equal(hide_what_is_not_there(ids, mesh, measured), [[7, 7, UNKNOWN_ID, UNKNOWN_ID, 7]])


def test_depth_of_another_camera():
    """A plane across the view keeps its depth; what the depth camera does not see is unknown."""
    camera = Intrinsics(fx=20.0, fy=20.0, cx=9.5, cy=7.5, width=20, height=16)
    depth = np.arange(320, dtype=np.float32).reshape(16, 20) + 1
    np.testing.assert_array_equal(register_depth(depth, camera, camera), depth)
    nearly = Intrinsics(fx=20.0, fy=20.0, cx=9.9, cy=7.1, width=20, height=16)
    np.testing.assert_array_equal(register_depth(depth, camera, nearly), depth)
    shifted = Intrinsics(fx=20.0, fy=20.0, cx=11.5, cy=6.5, width=20, height=16)
    moved = register_depth(depth, camera, shifted)
    np.testing.assert_array_equal(moved[:15, 2:], depth[1:, :18])
    assert (moved[:, :2] == 0).all()
    assert (moved[15] == 0).all()


# ------------------------------------------------------------------------------------------------ labels and commands


def test_every_raw_category_has_one_label():
    names = [raw.strip() for line in _TABLE.strip().splitlines() for raw in line.split(":")[1].split("|")]
    assert len(names) == len(set(names)) == len(LABEL_OF)
    assert set(LABEL_OF.values()) == set(LABELS)
    for label in LABELS.values():
        assert LABEL_OF.get(label.name, label.name) == label.name


def test_rooms_and_unknown_words(tmp_path: Path):
    labels = LabelMap.read(publish(tmp_path) / "scannetv2-labels.combined.tsv")
    assert labels.is_room("wall")
    assert labels.is_room(" Floor")
    assert not labels.is_room("dining table")
    assert labels.label("Office  chair") == "chair"
    assert labels.label("monitor") == labels.label("boxes") == ""


def run(*words: str) -> int:
    command, options = cli.parse(words)
    return command.run(options)


def test_command_imports_scans(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scans, out = publish(tmp_path / "scans"), tmp_path / "out"
    options = ("--split", "val", "--every", "4", "--size", "64x48")
    assert run("data", "import", "scannet", str(scans), "--out", str(out), *options) == 0
    assert ShardReader(out, "val").keys == [f"{SCAN}-000000", f"{SCAN}-000004"]
    assert ShardReader(out, "val")[0].frame.image.shape == (48, 64, 3)
    assert capsys.readouterr().out.splitlines()[-1] == f"{out}: val has 2 frames, 0 left out"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--size", "64"), "must be a whole number of at least 1. Got ''"),
        (("--size", "1x2x3"), "Got '2x3'"),
        (("--every", "0"), "must be a whole number of at least 1. Got '0'"),
        (
            ("--split", "test_unseen"),
            '"test_unseen" for --split. Choose from: "train", "val", "test_known", "test"',
        ),
    ],
)
def test_command_names_wrong_options(wrong: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["data", "import", "scannet", "scans", "--out", "out", *wrong]) == 2
    assert message in capsys.readouterr().err
