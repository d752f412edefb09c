"""Pictures of one's own with measured depth: ``distill3d data import rgbd``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from distill3d_ros.cli.main import main
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.training.data.importers.floor_plane import find_floor
from distill3d_ros.training.data.importers.import_options import RgbdOptions
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.rgbd.import_rgbd import import_rgbd
from distill3d_ros.training.data.importers.rgbd.picture_pairs import find_pairs
from distill3d_ros.training.data.manifest import ShardError
from distill3d_ros.training.data.shards import ShardReader

CALIBRATION = "image_width: 64\nimage_height: 48\ncamera_matrix: {data: [60, 0, 31.5, 0, 60, 23.5, 0, 0, 1]}\n"


def write_pair(picture: Path, depth: Path, *, metres: float, units: float = 1000.0) -> None:
    """A red picture; depth grows with the column, and its first row was not measured."""
    for path in (picture, depth):
        path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[..., 2] = 200  # OpenCV's order
    assert cv2.imwrite(str(picture), pixels)
    measured = np.tile((metres + 0.01 * np.arange(64)) * units, (48, 1))
    measured[0] = 0
    assert cv2.imwrite(str(depth), measured.round().astype(np.uint16))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    write_pair(folder / "rgb" / "0001.png", folder / "depth" / "0001.png", metres=1)
    write_pair(folder / "kitchen" / "b_rgb.png", folder / "kitchen" / "b_depth.png", metres=2)
    (folder / "camera.yaml").write_text(CALIBRATION)
    (folder / "preview.png").write_bytes(b"")  # of no pair
    return folder


def test_pairs_of_both_layouts_become_samples(source: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    manifest = import_rgbd(
        RgbdOptions(folder=source, out=tmp_path / "out", camera=source / "camera.yaml", size=(48, 48)),
        report=lines.append,
    )
    assert manifest.complete
    assert "2 frames with depth and no objects" in lines[-1]
    reader = ShardReader(tmp_path / "out", "test_known")
    assert sorted(reader.keys) == ["0001-00", "kitchen-b-00"]
    for key, metres in (("0001-00", 1), ("kitchen-b-00", 2)):
        sample = reader[reader.index_of(key)]
        assert sample.scene.objects == ()
        assert sample.frame.intrinsics.cx == 31.5 - 8, "the middle of the picture was cut out"
        assert (np.abs(sample.frame.image.astype(int) - [200, 0, 0]) < 4).all()
        depth = np.asarray(sample.scene.depth)
        assert (depth[0] == 0).all(), "what was not measured is not made up"
        np.testing.assert_allclose(depth[5], metres + 0.01 * (8 + np.arange(48)), atol=0.002)


def test_depth_in_other_units(tmp_path: Path) -> None:
    source = tmp_path / "tum"
    write_pair(source / "rgb" / "1.png", source / "depth" / "1.png", metres=1, units=5000)
    (tmp_path / "camera.yaml").write_text(CALIBRATION)
    import_rgbd(
        RgbdOptions(
            folder=source, out=tmp_path / "out", camera=tmp_path / "camera.yaml", depth_units=5000, size=(64, 48)
        )
    )
    assert ShardReader(tmp_path / "out", "test_known")[0].scene.depth[5, 0] == pytest.approx(1, abs=1e-3)


def test_the_command_imports_and_evaluate_measures_depth_alone(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "out", tmp_path / "report"
    options = ("--camera", str(source / "camera.yaml"), "--size", "64x48")
    assert main(["data", "import", "rgbd", str(source), "--out", str(data), *options]) == 0
    assert main(["evaluate", "--data", str(data), "--out", str(out), "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "no objects are marked in its frames, so only depth is measured, on 2" in said
    report = (out / "report.md").read_text()
    assert "Depth of 2 frames. No objects are marked" in report
    assert "| median-scaled |" in report
    assert "nan" not in report


CAMERA = Intrinsics(fx=60, fy=60, cx=31.5, cy=23.5, width=64, height=48)


def measured(up: np.ndarray, height: float, *, table: float = 0.0, wall: float = 3.0) -> np.ndarray:
    """Depth of a floor, a wall ahead, and a table top so far above the floor in the left half; with some noise."""
    rays = CAMERA.rays()

    def distance(normal: np.ndarray, offset: float) -> np.ndarray:
        towards = rays @ normal
        return np.where(towards > 1e-6, offset / np.maximum(towards, 1e-6), np.inf)

    ahead = level_rotation(up)[2]
    depth = np.minimum(distance(-up, height), distance(ahead, wall))
    if table:
        top = distance(-up, height - table)
        depth = np.where((np.arange(64) < 40) & (top < wall), np.minimum(depth, top), depth)
    noise = np.random.default_rng(0).normal(0, 0.003, depth.shape)
    return (depth * (1 + noise)).astype(np.float32)


def test_the_floor_is_found_in_measured_depth() -> None:
    up = np.array([0.2, -0.9, -0.4])
    up /= np.linalg.norm(up)
    for height, table in ((0.12, 0.0), (1.2, 0.0), (1.2, 0.5)):
        floor = find_floor(measured(up, height, table=table), CAMERA)
        assert floor is not None
        assert floor.height == pytest.approx(height, rel=0.03), (height, table)
        assert floor.up @ up > np.cos(np.radians(1.5))
        pose = floor.world_from_camera()
        np.testing.assert_allclose(pose[:3, :3] @ floor.up, [0, 0, 1], atol=1e-9)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert find_floor(measured(up, 50.0, wall=2.0), CAMERA) is None, "a wall alone"
    assert find_floor(np.zeros((48, 64), np.float32), CAMERA) is None


def test_where_the_floor_is_found_it_tells_the_height(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up = np.array([0.0, -0.96, -0.28])
    depth = (1000 * measured(up, 0.5)).round().astype(np.uint16)
    assert cv2.imwrite(str(source / "depth" / "0001.png"), depth)
    options = ("--camera", str(source / "camera.yaml"), "--size", "64x48")
    with_floor, without = tmp_path / "with", tmp_path / "without"
    assert main(["data", "import", "rgbd", str(source), "--out", str(with_floor), *options, "--floor"]) == 0
    assert "the floor is in sight in 1 of 2 frames" in capsys.readouterr().out
    reader = ShardReader(with_floor, "test_known")
    seen, unseen = (reader[reader.index_of(key)].frame for key in ("0001-00", "kitchen-b-00"))
    assert seen.world_from_camera[2, 3] == pytest.approx(0.5, rel=0.02)
    assert seen.up @ up > 0.999
    assert unseen.up is None, "nobody is told a gravity that nobody knows"
    assert unseen.world_from_camera is None
    evaluate = ["evaluate", "--out", str(tmp_path / "report"), "--device", "cpu", "--camera-height", "--data"]
    assert main([*evaluate, str(with_floor)]) == 0
    assert "is known in 1 of 2 frames" in capsys.readouterr().out
    assert main(["data", "import", "rgbd", str(source), "--out", str(without), *options]) == 0
    assert main([*evaluate, str(without)]) == 2
    assert "--camera-height needs frames whose pose is known" in capsys.readouterr().err


def test_changed_pictures_are_other_data(source: Path, tmp_path: Path) -> None:
    import_rgbd(RgbdOptions(folder=source, out=tmp_path / "out", camera=source / "camera.yaml", size=(48, 48)))
    write_pair(source / "rgb" / "0001.png", source / "depth" / "0001.png", metres=3)
    with pytest.raises(ShardError, match="files_sha256"):
        import_rgbd(RgbdOptions(folder=source, out=tmp_path / "out", camera=source / "camera.yaml", size=(48, 48)))


def test_errors_name_the_file_and_the_remedy(source: Path, tmp_path: Path) -> None:
    def message() -> str:
        with pytest.raises((SourceError, ValueError)) as caught:
            import_rgbd(RgbdOptions(folder=source, out=tmp_path / "out", camera=source / "camera.yaml", size=(48, 48)))
        assert not list((tmp_path / "out").glob("*.tar*"))
        return str(caught.value)

    depth = source / "depth" / "0001.png"
    right = depth.read_bytes()
    cv2.imwrite(str(depth), np.ones((48, 64), np.uint8))
    assert "0001.png' must be a 16-bit PNG of one channel" in message()
    cv2.imwrite(str(depth), np.ones((24, 32), np.uint16))
    assert "64x48 as its picture; register depth to the colour camera. Got uint16, shape (24, 32)" in message()
    depth.write_bytes(right[:20])
    assert "is no picture (20 bytes); record this frame again" in message()
    depth.unlink()
    assert "1 file is missing:\n  " in message()
    depth.write_bytes(right)
    (source / "camera.yaml").write_text(CALIBRATION.replace("image_height: 48", "image_height: 64"))
    assert "but its calibration is for 64x64, another shape" in message()
    (source / "camera.yaml").write_text("image_width: 64")
    assert "as camera_calibration writes it" in message()
    write_pair(source / "0001_rgb.png", source / "0001_depth.png", metres=1)
    with pytest.raises(SourceError, match="would both be called '0001'"):
        find_pairs(source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no pictures with depth: rgb/NAME"):
        find_pairs(tmp_path / "empty")
    with pytest.raises(SourceError, match="must be a folder with rgb/NAME"):
        find_pairs(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"--depth-units must be positive, such as 1000 .* Got 0"):
        import_rgbd(RgbdOptions(folder=source, out=tmp_path / "out", camera=source / "camera.yaml", depth_units=0))
