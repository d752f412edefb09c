"""Pictures of one's own without depth: what is in the data folder, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.folders import contents

from distill3d_ros.cli.main import main
from distill3d_ros.training.data.importers.import_options import PicturesOptions
from distill3d_ros.training.data.importers.pictures import import_pictures
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.shards import ShardReader, verify_folder
from distill3d_ros.training.inputs.question_sampling import Balance, sample_questions

CAMERA = """image_width: 128
image_height: 96
camera_matrix: {rows: 3, cols: 3, data: [100, 0, 63.5, 0, 100, 47.5, 0, 0, 1]}
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "kitchen").mkdir(parents=True)
    for number, name in enumerate(("a.png", "kitchen/b 1.png", "kitchen/c.png")):
        image = np.full((96, 128, 3), 40 * number + 20, np.uint8)
        image[:, 64:] = (250, 10, 10)  # blue in OpenCV's order
        assert cv2.imwrite(str(folder / name), image)
    return folder


def imported(photos: Path, out: Path, **changes: object) -> ShardReader:
    options = PicturesOptions(**{"folder": photos, "out": out, "size": (64, 48), **changes})  # type: ignore[arg-type]
    import_pictures(options, report=lambda _: None)
    return ShardReader(out, "train")


def test_nothing_is_known_but_the_camera(photos: Path, tmp_path: Path) -> None:
    (photos / "camera.yaml").write_text(CAMERA)
    reader = imported(photos, tmp_path / "data")
    assert reader.keys == ["a-00", "kitchen-b-1-00", "kitchen-c-00"]
    assert verify_folder(tmp_path / "data").complete
    sample = reader[1]
    annotation = sample.scene.annotation
    assert (annotation.depth, annotation.boxes, annotation.masks, annotation.gravity) == ("none", "none", False, False)
    assert annotation.marked_classes() == ()
    assert sample.frame.up is None
    assert (sample.frame.intrinsics.fx, sample.frame.intrinsics.cx) == (50.0, 31.5)
    assert sample.frame.image[24, 60, 2] > 200
    assert not np.asarray(sample.scene.depth).any()
    assert sample.room == "kitchen/b 1"
    assert sample_questions(sample.scene, Balance({}), 8, np.random.default_rng(0)) == []


def test_a_field_of_view_is_enough(photos: Path, tmp_path: Path) -> None:
    reader = imported(photos, tmp_path / "data", fov=90.0, every=2)
    assert reader.keys == ["a-00", "kitchen-c-00"]
    assert reader[0].frame.intrinsics.horizontal_fov == pytest.approx(math.pi / 2)


def test_the_same_pictures_give_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    imported(photos, tmp_path / "a", fov=60.0)
    imported(photos, tmp_path / "b", fov=60.0)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    before = contents(tmp_path / "a")
    imported(photos, tmp_path / "a", fov=60.0)
    assert contents(tmp_path / "a") == before


def test_bad_sources_are_named(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"camera must be known: give --camera.*or give --fov.*Got none of them"):
        imported(photos, tmp_path / "data")
    (tmp_path / "camera.yaml").write_text(CAMERA)
    with pytest.raises(ValueError, match=r"Got both --camera and --fov"):
        imported(photos, tmp_path / "data", camera=tmp_path / "camera.yaml", fov=60.0)
    with pytest.raises(ValueError, match=r"--fov must lie between 1 and 170 degrees. Got 180"):
        imported(photos, tmp_path / "data", fov=180.0)
    with pytest.raises(SourceError, match=r"FOLDER must be a folder of pictures. Got '.*nowhere', which is none"):
        imported(tmp_path / "nowhere", tmp_path / "data", fov=60.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"'.*empty' holds no picture"):
        imported(tmp_path / "empty", tmp_path / "data", fov=60.0)
    assert not list(tmp_path.glob("data/*.tar"))
    (photos / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"broken.jpg is no picture \(10 bytes\); remove it"):
        imported(photos, tmp_path / "data", fov=60.0)
    assert not list(tmp_path.glob("data/*.tar"))
    (photos / "broken.jpg").unlink()
    (photos / "kitchen-c.png").write_bytes((photos / "a.png").read_bytes())
    with pytest.raises(SourceError, match=r"would both be called 'kitchen-c-00'; rename one"):
        imported(photos, tmp_path / "data", fov=60.0)


def test_the_command(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "import", "pictures", str(photos), "--fov", "60", "--out", str(tmp_path / "data")]) == 0
    assert "train has 3 pictures without labels" in capsys.readouterr().out
    assert ShardReader(tmp_path / "data", "train")[0].frame.image.shape == (384, 512, 3)
