"""NYU Depth V2: what the samples of a small file in its layout hold, its division, its names, and wrong files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from support.nyuv2_file import BACK, BOXES, HEIGHT, NAMES, UP, level, write_nyuv2, write_splits

from distill3d_ros.scene.geometry import image_rectangle, project
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.training.data.importers.import_options import NyuV2Options
from distill3d_ros.training.data.importers.nyuv2 import name_table as tables
from distill3d_ros.training.data.importers.nyuv2.gravity import axis_signs
from distill3d_ros.training.data.importers.nyuv2.import_nyuv2 import import_nyuv2
from distill3d_ros.training.data.importers.nyuv2.labeled_file import CAMERA
from distill3d_ros.training.data.importers.nyuv2.name_table import name_table
from distill3d_ros.training.data.importers.nyuv2.official_split import FRAMES, place_of, split_frames
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.manifest import read_manifest
from distill3d_ros.training.data.sample import UNKNOWN_ID, Sample
from distill3d_ros.training.data.shards import ShardReader, verify_folder


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("nyuv2")
    write_nyuv2(folder / "nyu.mat", number=5)
    splits = write_splits(folder / "splits.mat", train=[1, 3, 4, 5], test=[2])
    lines: list[str] = []
    options = NyuV2Options(file=folder / "nyu.mat", out=folder / "out", split_file=splits, val_share=0.3)
    import_nyuv2(options, report=lines.append)
    return folder / "out", lines


def at(sample: Sample, column: float, row: float) -> tuple[int, int]:
    """Row and column of the sample's pixel that shows a pixel of the whole picture."""
    camera = sample.frame.intrinsics
    u = (column - CAMERA.cx) / CAMERA.fx * camera.fx + camera.cx
    v = (row - CAMERA.cy) / CAMERA.fy * camera.fy + camera.cy
    return round(v), round(u)


def test_splits_sizes_and_keys(imported: tuple[Path, list[str]]):
    out, lines = imported
    manifest = verify_folder(out)
    assert manifest.complete
    keys = {split: ShardReader(out, split).keys for split in ("train", "val", "test")}
    assert keys == {"test": ["nyu-0002-00"], "val": ["nyu-0001-00"], "train": [f"nyu-{i:04d}-00" for i in (3, 4, 5)]}
    assert ShardReader(out, "train")[0].frame.image.shape == (368, 496, 3)
    assert ShardReader(out, "test")[0].frame.image.shape == (460, 620, 3)
    sample = ShardReader(out, "val")[0]
    assert (sample.room, sample.room_type) == ("living_room_0000", "living room")
    assert "train has 3 frames" in lines[-1]
    assert any("1 names of the file are not in" in line and line.endswith(": gizmo") for line in lines)


def test_pixels_are_where_the_published_camera_has_them(imported: tuple[Path, list[str]]):
    sample = ShardReader(imported[0], "train")[0]
    camera = sample.frame.intrinsics
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    column = (u - camera.cx) / camera.fx * CAMERA.fx + CAMERA.cx
    row = (v - camera.cy) / camera.fy * CAMERA.fy + CAMERA.cy
    image = sample.frame.image[2:-2, 2:-2].astype(float)
    assert np.abs(image[..., 0] - (column * 255 / 640)[2:-2, 2:-2]).max() < 6
    assert np.abs(image[..., 1] - (row * 255 / 480)[2:-2, 2:-2]).max() < 6
    assert np.abs(image[..., 2] - 60).max() < 6, "no white border"


def test_depth_of_test_frames_is_known_in_the_crop_of_published_figures(imported: tuple[Path, list[str]]):
    test, train = (ShardReader(imported[0], split)[0] for split in ("test", "train"))
    rows, columns = np.nonzero(test.scene.depth)
    assert (rows.min() + 10, rows.max() + 10, columns.min() + 10, columns.max() + 10) == (45, 469, 41, 600)
    assert (train.scene.depth > 0).all()
    assert train.scene.depth[at(train, 300, 60)] == pytest.approx(BACK, abs=1e-3)


def test_ids_tell_things_from_the_room_and_from_what_nobody_named(imported: tuple[Path, list[str]]):
    sample = ShardReader(imported[0], "train")[0]
    labels = {o.id: o.label for o in sample.scene.objects}
    assert sorted(labels.values()) == ["chair", "chair", "television"]
    chairs = [sample.ids[at(sample, x, 290)] for x in (160, 250)]
    assert chairs[0] != chairs[1], "instances of one label that touch"
    assert [labels[int(i)] for i in chairs] == ["chair", "chair"]
    assert labels[int(sample.ids[at(sample, 450, 135)])] == "television"
    assert sample.ids[at(sample, 300, 60)] == 0 == sample.ids[at(sample, 300, 440)], "wall and floor"
    for row in (310, 340, 370):  # label 0, "otherprop", a name that the table does not have
        assert sample.ids[at(sample, 540, row)] == UNKNOWN_ID
    assert sample.scene.annotation.to_dict() == {
        "depth": "measured", "boxes": "visible", "masks": True, "gravity": True,
        "classes": ["chair", "television"], "covers": {"chair": ["armchair", "stool"]},
    }  # fmt: skip


def test_boxes_enclose_the_visible_surfaces_in_the_level_frame(imported: tuple[Path, list[str]]):
    sample = ShardReader(imported[0], "train")[0]
    assert sample.scene.level_from_optical == pytest.approx(level(), abs=0.01)
    camera = sample.frame.intrinsics
    for o in sample.scene.objects:
        left, top, right, bottom, distance = min(
            BOXES.values(), key=lambda b: abs(b[4] - (o.box.center @ sample.scene.level_from_optical)[2])
        )
        center = o.box.center @ sample.scene.level_from_optical  # level -> optical
        assert center[2] == pytest.approx(distance, rel=0.02)
        pixel, _ = project(center, camera)
        row, column = at(sample, (left + right - 1) / 2, (top + bottom - 1) / 2)
        assert np.abs(pixel - (column, row)).max() < 3
        assert o.box.size[0] == pytest.approx((right - left) / CAMERA.fx * distance, rel=0.05)
        rectangle = image_rectangle(o.box, sample.scene.level_from_optical, camera)
        assert np.abs(np.array(rectangle) - o.image_box).max() < 8, "the rectangle leans in the level frame"
        assert o.visible_pixels == (sample.ids == o.id).sum()


def test_floor_gives_the_height(imported: tuple[Path, list[str]]):
    sample = ShardReader(imported[0], "test")[0]
    assert sample.frame.world_from_camera[2, 3] == pytest.approx(HEIGHT, abs=0.01)
    assert sample.frame.up == pytest.approx(UP, abs=0.01)


@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, -1, 1), (1, -1, -1)])
def test_floors_decide_how_the_accelerometer_counts(signs: tuple[int, int, int]):
    normals = [UP, None, np.array([-0.1, -0.98, 0.15]) / np.linalg.norm([-0.1, -0.98, 0.15])]
    readings = np.stack([UP if n is None else n for n in normals]) * signs * 812
    found, angle = axis_signs(readings, normals)
    assert (tuple(found), angle) == (signs, pytest.approx(0, abs=1e-3))
    assert axis_signs(readings, [None] * 3)[1] is None


def test_accelerometer_of_another_camera_is_not_believed(tmp_path: Path):
    write_nyuv2(tmp_path / "nyu.mat", number=2, signs=(-1, 1, 1))
    splits = write_splits(tmp_path / "splits.mat", train=[1, 2], test=[])
    lines: list[str] = []
    options = NyuV2Options(file=tmp_path / "nyu.mat", out=tmp_path / "out", split_file=splits, val_share=0.0)
    import_nyuv2(options, report=lines.append)
    assert any("gravity is taken from floors alone" in line for line in lines)
    assert ShardReader(tmp_path / "out", "train")[0].frame.up == pytest.approx(UP, abs=0.01)


def test_without_labels_only_depth_is_known(tmp_path: Path):
    write_nyuv2(tmp_path / "nyu.mat", number=1, without=("labels", "instances", "names", "accelData", "scenes"))
    splits = write_splits(tmp_path / "splits.mat", train=[1], test=[])
    import_nyuv2(NyuV2Options(file=tmp_path / "nyu.mat", out=tmp_path / "out", split_file=splits), report=print)
    sample = ShardReader(tmp_path / "out", "train")[0]
    annotation = sample.scene.annotation
    assert (annotation.boxes, annotation.masks, annotation.gravity) == ("none", False, False)
    assert (sample.ids == UNKNOWN_ID).all()
    assert not sample.scene.objects


def test_raw_depth_has_holes_and_missing_instances_are_connected_areas(tmp_path: Path):
    write_nyuv2(tmp_path / "nyu.mat", number=1, without=("instances",))
    splits = write_splits(tmp_path / "splits.mat", train=[1], test=[])
    options = NyuV2Options(file=tmp_path / "nyu.mat", out=tmp_path / "out", split_file=splits, depth="raw")
    import_nyuv2(options, report=print)
    sample = ShardReader(tmp_path / "out", "train")[0]
    assert sample.scene.depth[at(sample, 60, 60)] == 0 < sample.scene.depth[at(sample, 140, 60)]
    assert [o.label for o in sample.scene.objects] == ["chair", "television"], "the chairs touch"


def test_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("distill3d_ros.training.data.importers.nyuv2.import_nyuv2.FRAMES_A_SHARD", 2)
    write_nyuv2(tmp_path / "nyu.mat")
    splits = write_splits(tmp_path / "splits.mat", train=[1, 2, 3], test=[])
    options = NyuV2Options(file=tmp_path / "nyu.mat", out=tmp_path / "out", size=(62, 46), split_file=splits)

    def stop(line: str) -> None:
        if line.startswith("train 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_nyuv2(options, report=stop)
    manifest = read_manifest(tmp_path / "out")
    assert (len(manifest.shards), manifest.planned_rooms["train"], manifest.complete) == (1, 3, False)
    before = (tmp_path / "out" / manifest.shards[0].file).stat().st_mtime_ns
    manifest = import_nyuv2(options, report=print)
    assert (len(manifest.shards), manifest.frames("train"), manifest.complete) == (2, 3, True)
    assert (tmp_path / "out" / manifest.shards[0].file).stat().st_mtime_ns == before


# -------------------------------------------------------------------------------------------------------- the division


def test_published_division():
    splits = split_frames(FRAMES, None, split_file=None, val_share=0.125)
    assert {split: len(frames) for split, frames in splits.items()} == {"test": 654, "val": 99, "train": 696}
    assert splits["test"][:4] == [0, 1, 8, 13]
    assert sorted(i for frames in splits.values() for i in frames) == list(range(FRAMES))
    val = set(splits["val"])
    assert not any(i - 1 in val or i + 1 in val for i in splits["train"]), "neighbours show one place"


def test_parts_of_one_recording_are_never_divided(tmp_path: Path):
    assert [place_of(s) for s in ("den_0003b", "den_0003", "den_000a")] == ["den_0003", "den_0003", "den_000"]
    scenes = [f"room_{i // 4 % 5:04d}{'ab'[i % 2]}" for i in range(40)]
    test = [i for i in range(1, 41) if i % 4 == 0]
    train = [i for i in range(1, 41) if i % 4]
    splits = write_splits(tmp_path / "s.mat", train=train, test=test)
    divided = split_frames(40, scenes, split_file=splits, val_share=0.4)
    places = [{place_of(scenes[i]) for i in divided[split]} for split in ("train", "val")]
    assert all(places)
    assert not places[0] & places[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": [1, 2], "test": [2]}, "must hold different numbers from 1 to 3"),
        ({"train": [1, 9], "test": [2]}, "must hold different numbers from 1 to 3"),
    ],
)
def test_numbers_of_another_file(tmp_path: Path, content: dict[str, list[int]], message: str):
    splits = write_splits(tmp_path / "s.mat", **content)
    with pytest.raises(SourceError, match=message):
        split_frames(3, None, split_file=splits, val_share=0.1)
    (tmp_path / "t.mat").write_bytes(b"no MATLAB")
    with pytest.raises(SourceError, match=r"must be splits\.mat with trainNdxs"):
        split_frames(3, None, split_file=tmp_path / "t.mat", val_share=0.1)


# ----------------------------------------------------------------------------------------------------------- the names


def test_table_of_names():
    data = json.loads(tables.TABLE.read_text())
    assert set(data["classes"]) <= set(LABELS)
    every = [n for names in data["classes"].values() for n in names] + data["none"] + data["anything"]
    plain = [n.replace("_", " ") for n in every]
    assert not {n for n in plain if plain.count(n) > 1 and n not in ("night stand", "shower curtain", "floor mat")}
    table = name_table(("Night_Stand", "wardrobe", "cabinet", "wall", "whatnot"))
    assert table.meanings == (None, "cabinet", "wardrobe", "cabinet", "", None)
    assert (table.covers, table.unknown) == ({}, ("whatnot",)), "the file names wardrobes"
    assert name_table(("cabinet",)).covers == {"cabinet": ("wardrobe",)}
    assert list(name_table(NAMES).lookup()) == [-1, 0, 0, 1, 1 + list(LABELS).index("television"), -1, -1, 0]


# ---------------------------------------------------------------------------------------------------------- wrong files


def test_wrong_files(tmp_path: Path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install h5py")
    file = tmp_path / "nyu.mat"

    def fails(message: str, **options: object) -> None:
        with pytest.raises((SourceError, ValueError), match=message):
            import_nyuv2(NyuV2Options(file=file, out=tmp_path / "out", **options), report=print)
        assert not list((tmp_path / "out").glob("*")), "nothing half-written"

    fails(r"must be nyu_depth_v2_labeled\.mat .* Got .*nyu\.mat, which is no file")
    file.write_bytes(b"MATLAB 5.0 MAT-file")
    fails("is not HDF5")
    with h5py.File(file, "w") as data:
        data["images"] = np.zeros((2, 3, 480, 640), np.uint8)
    fails("has no depths")
    with h5py.File(file, "a") as data:
        data["depths"] = np.zeros((2, 480, 640), np.float32)
    fails(r"images must be \(2, 3, 640, 480\), N = 2. Got \(2, 3, 480, 640\)")
    write_nyuv2(file, number=2)
    fails("the published division is of 1449 frames, and FILE has 2; give --split-file")
    fails("--val-share must be at least 0", val_share=1.5)
    write_nyuv2(file, number=2, without=("rawDepths",))
    fails("has no rawDepths", depth="raw")
    file.write_bytes(file.read_bytes()[:20_000])
    fails("ends early")


def test_damaged_frame(tmp_path: Path):
    """A download that is damaged in the middle opens, and fails when that frame is read."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install h5py")
    file = tmp_path / "nyu.mat"
    write_nyuv2(file, number=2)
    with h5py.File(file) as data:
        place = data["labels"].id.get_chunk_info(0)
    content = bytearray(file.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    file.write_bytes(content)
    splits = write_splits(tmp_path / "s.mat", train=[1, 2], test=[])
    with pytest.raises(SourceError, match=r"frame 1 of labels cannot be read .* download it again"):
        import_nyuv2(NyuV2Options(file=file, out=tmp_path / "out", split_file=splits), report=print)
    assert not list((tmp_path / "out").glob("*.tar*"))


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(SourceError, match="run `pip install h5py`"):
        import_nyuv2(NyuV2Options(file=tmp_path / "nyu.mat", out=tmp_path / "out"))
