"""Importing scans: stopped imports go on, settings must agree, and what is missing or damaged is named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.folders import contents
from support.scannet_scan import SCAN, write_sens

from distill3d_ros.system.files import FolderInUseError
from distill3d_ros.training.data.importers.import_folder import ImportFolder
from distill3d_ros.training.data.importers.import_options import ScanNetOptions
from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.scannet import scannet
from distill3d_ros.training.data.importers.scannet.scannet import import_scannet
from distill3d_ros.training.data.manifest import ShardError, read_manifest
from distill3d_ros.training.data.shards import ShardReader, verify_folder

OTHER = "scene0011_01"
SIZE = (64, 48)


@pytest.fixture
def scans(published_scans: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(published_scans, tmp_path / "scans"))


@pytest.fixture(scope="module")
def imported(published_scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    import_scannet(ScanNetOptions(scans=published_scans, out=folder, every=2, size=SIZE), report=print)
    return folder


def rename_scan(folder: Path, name: str) -> Path:
    """A copy of a scan beside it, under another name."""
    copy = Path(shutil.copytree(folder, folder.parent / name))
    for path in copy.glob(f"{folder.name}*"):
        path.rename(copy / path.name.replace(folder.name, name))
    return copy


def test_stopped_import_goes_on(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rename_scan(scans / SCAN, OTHER)
    import_scannet(ScanNetOptions(scans=scans, out=tmp_path / "whole", every=2, size=SIZE), report=print)
    read = scannet.read_annotated_mesh

    def stopped(files, labels):
        if files.name == OTHER:
            raise KeyboardInterrupt
        return read(files, labels)

    monkeypatch.setattr(scannet, "read_annotated_mesh", stopped)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        import_scannet(ScanNetOptions(scans=scans, out=out, every=2, size=SIZE), report=print)
    assert not list(out.glob(".*")), "nothing half-written is left"
    manifest = read_manifest(out)
    assert (len(manifest.shards), manifest.planned_rooms["train"], manifest.complete) == (1, 2, False)
    (out / ".train-000001.tar.99999.tmp").write_bytes(b"of an import that was killed")
    before = (out / "train-000000.tar").stat().st_mtime_ns
    monkeypatch.setattr(scannet, "read_annotated_mesh", read)
    assert import_scannet(ScanNetOptions(scans=scans, out=out, every=2, size=SIZE), report=print).complete
    assert (out / "train-000000.tar").stat().st_mtime_ns == before, "a finished scan is not read again"
    assert contents(out) == contents(tmp_path / "whole")
    assert verify_folder(out).frames("train") == 4


def test_damaged_shard_is_made_again_and_a_finished_one_needs_no_scan(scans: Path, tmp_path: Path):
    rename_scan(scans / SCAN, OTHER)
    out = tmp_path / "out"
    import_scannet(ScanNetOptions(scans=scans, out=out, every=2, size=SIZE), report=print)
    whole = contents(out)
    damaged = bytearray(whole["train-000001.tar"])
    damaged[3000] ^= 1
    (out / "train-000001.tar").write_bytes(damaged)
    (scans / SCAN / f"{SCAN}_vh_clean_2.ply").unlink()
    import_scannet(ScanNetOptions(scans=scans, out=out, every=2, size=SIZE), report=print)
    assert contents(out) == whole


def test_splits_share_a_folder_but_no_scan(scans: Path, tmp_path: Path):
    rename_scan(scans / SCAN, OTHER)
    (tmp_path / "train.txt").write_text(f"{SCAN}\n")
    (tmp_path / "val.txt").write_text(f"{OTHER}\n")
    settings = {"scans": scans, "out": tmp_path / "out", "every": 4, "size": SIZE}
    import_scannet(ScanNetOptions(scenes=tmp_path / "train.txt", **settings), report=print)
    manifest = import_scannet(ScanNetOptions(split="val", scenes=tmp_path / "val.txt", **settings), report=print)
    assert manifest.complete
    assert {s.room for s in ShardReader(tmp_path / "out", "val")} == {OTHER}
    assert dict(manifest.planned_rooms) == {"test_unseen": 0, "test_known": 0, "val": 1, "train": 1}
    with pytest.raises(ShardError, match=f"{SCAN} is in split 'train' of .* already"):
        import_scannet(ScanNetOptions(split="val", **settings), report=print)


def test_folders_that_are_not_ours(published_scans: Path, tmp_path: Path):
    with ImportFolder(tmp_path, recipe={}, split="val"), pytest.raises(FolderInUseError, match="is being written to"):
        import_scannet(ScanNetOptions(scans=published_scans, out=tmp_path, size=SIZE), report=print)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "train-000000.tar").write_bytes(b"of somebody else")
    with pytest.raises(ShardError, match=r"has tar files but no manifest\.json; give --out an empty or new folder"):
        import_scannet(ScanNetOptions(scans=published_scans, out=tmp_path, size=SIZE), report=print)
    with pytest.raises(NotADirectoryError, match="is a file; --out must name a folder"):
        import_scannet(
            ScanNetOptions(scans=published_scans, out=tmp_path / "train-000000.tar", size=SIZE), report=print
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"every": 3}, "--every was 2 and is now 3"),
        ({"size": (48, 48)}, r"--size was \[64, 48\] and is now \[48, 48\]"),
    ],
)
def test_other_settings_are_refused(published_scans: Path, imported: Path, changed: dict, message: str):
    with pytest.raises(ShardError, match=f"made in another way: {message}"):
        import_scannet(
            ScanNetOptions(scans=published_scans, out=imported, **{"every": 2, "size": SIZE, **changed}), report=print
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"every": 0}, "every must be at least 1. Got 0"),
        ({"size": (20, 48)}, r"size must be .* Got \(20, 48\)"),
        ({"split": "test_unseen"}, "split must be one of train, val, test_known, test. Got 'test_unseen'"),
    ],
)
def test_settings_out_of_range(published_scans: Path, tmp_path: Path, changed: dict, message: str):
    with pytest.raises(ValueError, match=message):
        import_scannet(ScanNetOptions(scans=published_scans, out=tmp_path, **changed))


# ------------------------------------------------------------------------------------------------------------ damage


def test_missing_files_are_all_named(scans: Path, tmp_path: Path):
    """Before anything is read; what was imported before stays."""
    out = tmp_path / "out"
    import_scannet(ScanNetOptions(scans=scans, out=out, every=2, size=SIZE), report=print)
    before = contents(out)
    broken = rename_scan(scans / SCAN, OTHER)
    for name in (
        f"{OTHER}_vh_clean_2.ply",
        f"{OTHER}.aggregation.json",
        "depth/4.png",
        "intrinsic/intrinsic_depth.txt",
    ):
        (broken / name).unlink()
    with pytest.raises(SourceError) as caught:
        import_scannet(ScanNetOptions(scans=scans, out=out, every=2, size=SIZE), report=print)
    lines = str(caught.value).splitlines()
    assert lines[0] == "4 files are missing:"
    assert f"{OTHER}_vh_clean_2.ply: download-scannet.py -o DIR --id {OTHER} --type _vh_clean_2.ply" in lines[1]
    assert f"{OTHER}.aggregation.json: download-scannet.py -o DIR --id {OTHER} --type .aggregation.json" in lines[2]
    assert "intrinsic_depth.txt: export it with --export_intrinsics" in lines[3]
    assert "depth/4.png: export this frame again" in lines[4]
    after = contents(out)
    assert {name: after[name] for name in before if name != "manifest.json"} == {
        name: blob for name, blob in before.items() if name != "manifest.json"
    }
    assert len(ShardReader(out, "train")) == 2


def test_missing_sens_label_map_and_scan(scans: Path, tmp_path: Path):
    for name in ("color", "depth", "pose"):
        shutil.rmtree(scans / SCAN / name)
    with pytest.raises(SourceError, match=rf"{SCAN}\.sens: download-scannet\.py -o DIR --id {SCAN} --type \.sens"):
        import_scannet(ScanNetOptions(scans=scans, out=tmp_path / "out"), report=print)
    (scans / "scannetv2-labels.combined.tsv").unlink()
    with pytest.raises(SourceError, match=r"scannetv2-labels\.combined\.tsv: download-scannet\.py -o DIR --label_map"):
        import_scannet(ScanNetOptions(scans=scans, out=tmp_path / "out"), report=print)
    (tmp_path / "val.txt").write_text("scene0707_00\n")
    with pytest.raises(SourceError, match=r"scene0707_00: download-scannet\.py -o DIR --id scene0707_00"):
        import_scannet(ScanNetOptions(scans=scans, out=tmp_path / "out", scenes=tmp_path / "val.txt"), report=print)
    with pytest.raises(SourceError, match="it is a scan itself; give the folder around it"):
        import_scannet(ScanNetOptions(scans=scans / SCAN, out=tmp_path / "out"), report=print)


def test_other_name_of_the_aggregation(scans: Path, tmp_path: Path):
    file = scans / SCAN / f"{SCAN}.aggregation.json"
    file.rename(scans / SCAN / f"{SCAN}_vh_clean.aggregation.json")
    import_scannet(ScanNetOptions(scans=scans, out=tmp_path / "out", every=4, size=SIZE), report=print)
    assert len(ShardReader(tmp_path / "out", "train")[0].scene.objects) == 3


def edit_json(path: Path, change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def edit_text(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


SEGMENTS, AGGREGATION = f"{SCAN}_vh_clean_2.0.010000.segs.json", f"{SCAN}.aggregation.json"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: edit_json(f / SEGMENTS, lambda d: d["segIndices"].pop()), "is for 55 vertices, .* has 56"),
        (
            lambda f: edit_json(f / AGGREGATION, lambda d: d["segGroups"][1]["segments"].append(77)),
            r"object 1 \(office chair\) has segment 77, which .* does not have",
        ),
        (lambda f: edit_json(f / AGGREGATION, lambda d: d.pop("segGroups")), "no JSON with an entry 'segGroups'"),
        (lambda f: (f / AGGREGATION).write_text("{"), "no JSON with an entry 'segGroups'"),
        (lambda f: edit_json(f / AGGREGATION, lambda d: d["segGroups"][1].update(objectId=0)), "an objectId twice"),
        (lambda f: edit_text(f / f"{SCAN}.txt", "axisAlignment", "other"), "has no line 'axisAlignment = '"),
        (lambda f: edit_text(f / f"{SCAN}.txt", " = 0.7648", " = 2.7648"), "axisAlignment is no rigid motion"),
        (lambda f: edit_text(f / f"{SCAN}.txt", "Width = 324", "Width = 1296"), "324 x 242 pixels, .* says 1296 x 242"),
        (lambda f: os.truncate(f / f"{SCAN}_vh_clean_2.ply", 900), "ends early: 56 x vertex need 896 bytes at"),
        (lambda f: (f / f"{SCAN}_vh_clean_2.ply").write_bytes(b"plx"), "has no PLY header"),
        (lambda f: (f / "color" / "4.jpg").write_bytes(b"no jpeg"), r"4\.jpg is no picture"),
        (lambda f: (f / "pose" / "4.txt").write_text("1 0 0"), r"4\.txt must hold a 4 x 4 matrix. Got 3 numbers"),
        (lambda f: edit_text(f / "intrinsic" / "intrinsic_depth.txt", "150.0", "-1.0"), "no usable intrinsics"),
        (lambda f: edit_text(f.parent / "scannetv2-labels.combined.tsv", "nyu40class", "nyu"), "no column nyu40class"),
    ],
)
def test_damaged_files_are_named(scans: Path, tmp_path: Path, damage, message: str):
    damage(scans / SCAN)
    with pytest.raises(SourceError, match=message):
        import_scannet(ScanNetOptions(scans=scans, out=tmp_path / "out", every=2, size=SIZE), report=print)
    assert not list((tmp_path / "out").glob("*.tar")), "no shard is left of a scan that failed"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda blob: blob[:-5000], r"ends early, in frame 4 of 5 at byte \d+; download it again"),
        (lambda blob: b"\x03" + blob[1:], r"has \.sens version 3, this program reads 4"),
        (lambda blob: blob[:40], "ends early, in the header at byte 27"),
        (
            lambda blob: blob[:27] + blob[27:].replace(b"\x02\0\0\0\x01\0\0\0", b"\0\0\0\0\x02\0\0\0", 1),
            "compression 0 ",
        ),
        (lambda blob: blob.replace(b"\xff\xd8\xff", b"\0\0\0"), "frame 0: colour is no picture of 324 x 242"),
    ],
)
def test_damaged_sens_file_is_named(scans: Path, tmp_path: Path, damage, message: str):
    shutil.rmtree(scans / SCAN / "color")
    write_sens(scans / SCAN / f"{SCAN}.sens")
    file = scans / SCAN / f"{SCAN}.sens"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(SourceError, match=message):
        import_scannet(ScanNetOptions(scans=scans, out=tmp_path / "out", every=2, size=SIZE), report=print)
