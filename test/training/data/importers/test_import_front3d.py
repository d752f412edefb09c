"""Importing 3D-FRONT: the shards of small houses, going on, what is skipped and said, and the command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from support.folders import contents
from support.front_houses import (
    CHAIR,
    GONE,
    HOUSE,
    LAMP,
    TABLE,
    HouseFile,
    dining_room,
    named,
    write_houses,
    write_models,
)

from distill3d_ros.cli import main as cli
from distill3d_ros.system.worker_pool import JobDone, JobLost
from distill3d_ros.training.data.importers.front3d import render_workers
from distill3d_ros.training.data.importers.front3d.furniture_models import FrontError
from distill3d_ros.training.data.importers.front3d.import_front3d import REPORT_NAME, import_front
from distill3d_ros.training.data.importers.front3d.render_workers import make_shards
from distill3d_ros.training.data.importers.front3d.room_shards import (
    GroupReport,
    HouseGroup,
    Settings,
    ShardMaker,
    house_groups,
    split_of_house,
)
from distill3d_ros.training.data.importers.import_options import Front3dOptions
from distill3d_ros.training.data.manifest import Manifest, ShardError, read_manifest
from distill3d_ros.training.data.shards import ShardReader, verify_folder

SETTINGS = {"frames_per_room": 2, "size": (64, 64)}
TORN = named("torn", "train", split_of_house)


class Made:
    """An import of three houses: one good, one of a model that is missing, one that is no JSON."""

    def __init__(self, folder: Path) -> None:
        self.models = write_models(folder / "3D-FUTURE-model")
        self.houses = write_houses(folder / "3D-FRONT")
        house = HouseFile()
        dining_room(house, second=GONE)
        house.write(self.houses, named("other", "train", split_of_house))
        (self.houses / f"{TORN}.json").write_text('{"uid": ')
        self.out = folder / "out"
        self.said: list[str] = []
        self.manifest = self._made(self.out, say=self.said.append)

    def again(self, out: Path, **changes) -> None:
        """The same command into another folder."""
        self._made(out, say=lambda line: None, **changes)

    def _made(self, out: Path, *, say: Callable[[str], None], houses_per_shard: int = 1, **changes) -> Manifest:
        options = Front3dOptions(houses=self.houses, models=self.models, out=out, **{**SETTINGS, **changes})
        return import_front(options, houses_per_shard=houses_per_shard, say=say)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"))


@pytest.fixture
def out(made: Made, tmp_path: Path) -> Path:
    """A copy of the folder that was made."""
    return Path(shutil.copytree(made.out, tmp_path / "out"))


def test_import_writes_shards_that_training_reads(made: Made):
    assert made.manifest == verify_folder(made.out)
    assert made.manifest.complete
    assert made.manifest.planned_rooms["train"] == 2
    samples = list(ShardReader(made.out, "train"))
    assert samples[0].room == f"3D-FRONT/{HOUSE}/LivingDiningRoom-0"
    assert len({s.room for s in samples}) == 2
    assert 2 <= len(samples) == made.manifest.frames("train") <= 4


def test_pictures_show_the_furniture(made: Made):
    for sample in ShardReader(made.out, "train"):
        assert sample.frame.image.shape == (64, 64, 3)
        assert {o.label for o in sample.scene.objects} <= {"chair", "table", "lamp"}
        assert len(sample.scene.objects) >= 3
        seen = set(np.unique(sample.ids)) - {0}
        assert {o.id for o in sample.scene.objects} <= seen <= {1, 2, 3, 4}
        depth = np.asarray(sample.scene.depth)
        assert 0.1 < depth.min() <= depth.max() < 6.0, "the room is 4 x 3 x 2.6 m"
        for thing in sample.scene.objects:
            at_it = depth[sample.ids == thing.id]
            reach = np.linalg.norm(thing.box.size) / 2 + 0.01
            assert np.abs(at_it - optical_depth(sample, thing)).max() < reach, "the box is where the picture shows it"


def optical_depth(sample, thing) -> float:
    """Of the centre of its box."""
    return float((sample.scene.level_from_optical.T @ thing.box.center)[2])


def test_report_counts_what_is_skipped_and_names_files(made: Made):
    report = json.loads((made.out / REPORT_NAME).read_text())["total"]
    assert (report["houses"], report["rooms"], report["frames"]) == (3, 2, made.manifest.frames("train"))
    assert report["skipped"] == {
        "broken house": 1,
        "floor not rectangular": 1,
        "models missing": 1,
        "no furniture": 1,
    }
    assert len(report["errors"]) == 2
    assert any(GONE in error and "LivingDiningRoom-0" in error for error in report["errors"])
    assert any(f"{TORN}.json is no house" in error for error in report["errors"])
    assert all(f"skipped: {error}" in made.said for error in report["errors"])


def test_finished_shards_are_not_made_again(made: Made, out: Path):
    def times() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in out.glob("*.tar")}

    before, written = contents(out), times()
    made.again(out)
    assert contents(out) == before
    assert times() == written


def test_a_shard_that_is_made_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Pool(nullcontext):
        def __init__(self, prepare, count: int, **settings) -> None:
            super().__init__(self)

        def run(self, jobs):
            yield JobLost(job=jobs[0], how="by signal 9")
            yield JobDone(job=jobs[0], result=(report, None))

    report, said = GroupReport(houses=1), []
    groups = [HouseGroup(split="train", number=0, first_house=0, houses=())]
    settings = Settings(models=tmp_path, frames_per_room=2, size=(64, 64), seed=0, min_fill=0.85)
    monkeypatch.setattr(render_workers, "WorkerPool", Pool)
    assert list(make_shards(tmp_path, settings, groups, 1, say=said.append)) == [(groups[0], report, None)]
    assert said == ["a worker died by signal 9; train-000000.tar is made again"]


def test_a_damaged_shard_is_made_again_to_the_same_bytes(made: Made, out: Path):
    before = contents(out)
    (tar,) = out.glob("*.tar")
    tar.write_bytes(before[tar.name][:2000])
    (out / f".{tar.name}.123.tmp").write_bytes(b"left by a run that was killed")
    made.again(out)
    assert contents(out) == before


def test_other_settings_or_files_are_refused(made: Made, out: Path):
    with pytest.raises(ShardError, match=r"camera_seed was 0 and is now 1.*another --out"):
        made.again(out, seed=1)
    with pytest.raises(ShardError, match="min_fill was"):
        made.again(out, min_fill=0.7)
    (out / "manifest.json").unlink()
    with pytest.raises(ShardError, match=r"has tar files but no manifest\.json"):
        made.again(out)


def test_rooms_of_unseen_models_only(tmp_path: Path):
    """A house of test_unseen whose things are all held out, one model of the others among them."""
    held_out = [named(prefix, "test") for prefix in ("a", "b", "c")]
    models = write_models(tmp_path / "models")
    house = HouseFile()
    dining_room(house, second=CHAIR)
    for jid, new in zip((CHAIR, TABLE, LAMP), held_out, strict=True):
        shutil.copytree(models / jid, models / new)
    for entry, jid in zip(house.data["furniture"], [*held_out, CHAIR], strict=True):
        entry["jid"] = jid
    path = house.write(tmp_path / "h", named("house", "test_unseen", split_of_house))
    group = house_groups([path], 8)[0]
    maker = ShardMaker(Settings(models=models, frames_per_room=2, size=(64, 64), seed=0, min_fill=0.85))
    report, info = maker.make(tmp_path, group)
    maker.close()
    assert info is not None
    assert (info.file, info.rooms, info.frames) == ("test_unseen-000000.tar", 1, report.frames)
    assert report.left_out == {"model of the other split": 1}


def test_no_room_at_all_is_an_error(tmp_path: Path):
    models = write_models(tmp_path / "models")
    house = HouseFile()
    dining_room(house, second=GONE)
    path = house.write(tmp_path / "h")
    options = Front3dOptions(houses=path.parent, models=models, out=tmp_path / "out", **SETTINGS)
    with pytest.raises(FrontError, match=f"not one room of 1 houses.*1 models missing.*file at fault: .*{GONE}"):
        import_front(options, houses_per_shard=1)
    assert not list((tmp_path / "out").glob("*.tar"))
    assert read_manifest(tmp_path / "out").shards == ()
    shutil.copytree(models / CHAIR, models / GONE)  # the remedy, in the same folder
    assert import_front(options, houses_per_shard=1).frames("train")


def test_wrong_folders_and_numbers(tmp_path: Path):
    with pytest.raises(FrontError, match="has no house"):
        import_front(Front3dOptions(houses=tmp_path, models=tmp_path, out=tmp_path / "out"))
    with pytest.raises(ValueError, match=r"min_fill is a share between 0\.5 and 1\. Got 2"):
        import_front(Front3dOptions(houses=tmp_path, models=tmp_path, out=tmp_path / "out", min_fill=2))
    with pytest.raises(ValueError, match="workers must be at least 1"):
        import_front(Front3dOptions(houses=tmp_path, models=tmp_path, out=tmp_path / "out", workers=0))


def test_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    called: list[Front3dOptions] = []
    monkeypatch.setattr(
        "distill3d_ros.training.data.importers.front3d.import_front3d.import_front",
        called.append,
    )
    words = ["H", "--models", "M", "--out", "O", "--size", "64x48", "--workers", "2"]
    assert cli.main(["data", "import", "3d-front", *words]) == 0
    (options,) = called
    assert (options.houses, options.models, options.out) == (Path("H"), Path("M"), Path("O"))
    assert (options.size, options.workers, options.min_fill) == ((64, 48), 2, 0.85)
