"""Making data sets: equal bytes however the work was divided or interrupted, and clear words when it fails."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.folders import contents
from support.furniture_pack import real_pack

from distill3d_ros.cli import main as cli
from distill3d_ros.system.files import FolderInUseError, only_writer
from distill3d_ros.system.worker_pool import JobDone, JobLost, JobProgress
from distill3d_ros.training.data.generation import generate as generating
from distill3d_ros.training.data.generation import room_frames
from distill3d_ros.training.data.generation.generate import generate
from distill3d_ros.training.data.generation.generation_options import GenerateOptions
from distill3d_ros.training.data.generation.generation_plan import Recipe, planned_rooms, shard_jobs
from distill3d_ros.training.data.generation.progress import GenerateProgress
from distill3d_ros.training.data.generation.workers import shard_workers
from distill3d_ros.training.data.manifest import Manifest, ShardError, read_manifest, write_manifest
from distill3d_ros.training.data.shards import ShardReader, verify_folder

ROOMS = {"train": 1, "test_unseen": 1}
SETTINGS = {"rooms": ROOMS, "seed": 5, "frames_per_room": 2, "size": (64, 64)}


def make(out: Path, **changes) -> Manifest:
    return generate(GenerateOptions(out=out, **{**SETTINGS, **changes}), rooms_per_shard=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rooms with two frames each, made by one worker."""
    real_pack()
    folder = tmp_path_factory.mktemp("made")
    make(folder, workers=1)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is decided before any worker starts: does not load the furniture."""
    monkeypatch.setattr(generating, "furniture_fingerprint", lambda count: "furniture")


# ---------------------------------------------------------------------------------------------------- the same bytes


def test_folder_holds_what_was_asked_for(made: Path):
    manifest = verify_folder(made)
    assert manifest.complete
    assert dict(manifest.planned_rooms) == {"test_known": 0, "test_unseen": 1, "val": 0, "train": 1}
    assert sorted(contents(made)) == [
        "manifest.json",
        "test_unseen-000000.index.json",
        "test_unseen-000000.tar",
        "train-000000.index.json",
        "train-000000.tar",
    ]
    assert "worker" not in (made / "manifest.json").read_text()
    for split in ROOMS:
        samples = list(ShardReader(made, split))
        assert 1 <= len(samples) <= 2
        assert {s.room for s in samples} == {f"{split}-000000"}
        assert all(s.frame.image.shape == (64, 64, 3) and s.scene.objects for s in samples)
    seen = {o.model for s in ShardReader(made, "train") for o in s.scene.objects}
    assert {real_pack().by_name(name).split for name in seen} == {"train"}
    assert any(name not in {m.name for m in real_pack().models} for name in seen), "training rooms have more designs"


def test_number_of_workers_changes_nothing(made: Path, tmp_path: Path):
    make(tmp_path, workers=2)
    assert contents(tmp_path) == contents(made)


def test_missing_and_damaged_shards_are_made_again(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "data"
    shutil.copytree(made, folder)
    (folder / "train-000000.tar").unlink()
    damaged = bytearray((folder / "test_unseen-000000.tar").read_bytes())
    damaged[3000] ^= 1
    (folder / "test_unseen-000000.tar").write_bytes(damaged)
    (folder / ".train-000000.tar.99999.tmp").write_bytes(b"of a run that was killed")
    make(folder, workers=1)
    assert contents(folder) == contents(made)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}
    capsys.readouterr()
    assert make(folder, workers=1).complete, "nothing to do is not an error"
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")} == before
    assert "2 rooms are there already" in capsys.readouterr().out


def test_a_run_that_was_killed_goes_on(made: Path, tmp_path: Path):
    """As SIGKILL leaves a folder: one shard in the manifest, one half written, and one whole that nobody noted."""
    folder = tmp_path / "data"
    shutil.copytree(made, folder)
    manifest = read_manifest(folder)
    noted = replace(manifest, shards=manifest.shards[:1], complete=False)
    write_manifest(folder, noted)
    (folder / ".train-000000.tar.99999.tmp").write_bytes(b"half a shard")
    kept = folder / noted.shards[0].file
    before = kept.stat().st_mtime_ns
    assert make(folder, workers=1).complete
    assert contents(folder) == contents(made)
    assert kept.stat().st_mtime_ns == before, "what was noted is not made again"


def test_disk_use_is_told_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    jobs = shard_jobs({"train": 600}, 32)
    with GenerateProgress(tmp_path, Recipe(seed=0), jobs, {}, workers=2):
        told = capsys.readouterr().out
    assert "600 rooms, up to 7200 frames of 224 x 224, about 0.24 GB in" in told


def test_a_shard_whose_worker_was_killed_is_made_again(made: Path, tmp_path: Path):
    recipe = Recipe(rooms_per_shard=1, **{name: value for name, value in SETTINGS.items() if name != "rooms"})
    job = next(job for job in shard_jobs(planned_rooms(ROOMS), 1) if job.split == "train")
    happened = []
    with shard_workers(tmp_path, recipe, 1) as pool:
        for event in pool.run([job]):
            if isinstance(event, JobProgress) and not happened:
                os.kill(pool.pids()[0], signal.SIGKILL)
            happened.append(type(event))
    if happened[1] is JobDone:
        pytest.skip("the worker was done before it could be killed")
    assert happened == [JobProgress, JobLost, JobProgress, JobDone]
    assert (tmp_path / job.file).read_bytes() == (made / job.file).read_bytes()
    assert not list(tmp_path.glob(".*")), "what the killed worker had written is gone"


def test_a_folder_has_one_renderer_and_says_so(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert "renderer" not in read_manifest(made).recipe, "folders that name none were rendered by OpenGL"
    monkeypatch.setenv("DISTILL3D_RENDERER", "raycast")
    before = contents(made)
    with pytest.raises(ShardError, match=r"another way: renderer was gl and is now raycast\. .*another --out"):
        make(made, workers=1)
    assert contents(made) == before
    make(tmp_path, workers=1, rooms={"train": 1})
    assert verify_folder(tmp_path).recipe["renderer"] == "raycast"
    first, of_gl = (ShardReader(folder, "train") for folder in (tmp_path, made))
    assert first.keys == of_gl.keys
    ids = [sample.ids for sample in first], [sample.ids for sample in of_gl]
    assert all((a == b).mean() > 0.98 for a, b in zip(*ids, strict=True))


# ------------------------------------------------------------------------------------------------------------ rooms


@pytest.fixture(scope="module")
def studio() -> Iterator[dict]:
    """What ``room_samples`` needs, in this process."""
    from distill3d_ros.worlds.rendering.factory import make_renderer

    pack, renderer = real_pack(), make_renderer(threads=0)
    yield {"pack": pack, "renderer": renderer}
    renderer.close()


RECIPE = Recipe(seed=5, frames_per_room=1, size=(64, 64))


def test_a_room_that_cannot_be_made_is_replaced_by_the_next(studio: dict, monkeypatch: pytest.MonkeyPatch):
    real, seeds = room_frames.make_room, []

    def sometimes(pack, *, seed: int, split: str, varied: bool):
        seeds.append(seed)
        if len(seeds) == 1:
            raise IndexError("no wall is left")
        return real(pack, seed=seed, split=split, varied=varied)

    usual, nothing = room_frames.room_samples("val", 3, RECIPE, **studio)
    assert nothing == ""
    monkeypatch.setattr(room_frames, "make_room", sometimes)
    samples, trouble = room_frames.room_samples("val", 3, RECIPE, **studio)
    assert trouble == "val-000003, attempt 0: IndexError: no wall is left"
    assert [s.key for s in samples] == ["val-000003-00"]
    assert (samples[0].frame.image != usual[0].frame.image).any()
    assert len(set(seeds)) == len(seeds) >= 2


def test_a_recipe_without_any_room_ends_with_words(studio: dict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room_frames, "sample_cameras", lambda *args, **more: [])
    with pytest.raises(room_frames.RoomError, match=r"room val-000003 of seed 5 failed 12 times; none had enough"):
        room_frames.room_samples("val", 3, RECIPE, **studio)

    def full(*args, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(room_frames, "sample_cameras", full)
    with pytest.raises(OSError, match="No space left"):
        room_frames.room_samples("val", 3, RECIPE, **studio)


# ------------------------------------------------------------------------------------------------------------- plan


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, r"seed must be 0 or more\. Got -1"),
        ({"frames_per_room": 101}, "frames_per_room must lie between 1 and 100. Got 101"),
        ({"size": (64, 20000)}, r"size must be .* Got \(64, 20000\)"),
    ],
)
def test_wrong_settings_are_named(settings: dict, message: str, quick: None, tmp_path: Path):
    with pytest.raises(ValueError, match=message):
        make(tmp_path / "new", **settings)
    assert not (tmp_path / "new").exists()


# ----------------------------------------------------------------------------------------------------------- trouble


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 6}, "--seed was 5 and is now 6"),
        ({"size": (96, 64)}, r"--size was \[64, 64\] and is now \[96, 64\]"),
        ({"rooms": {"train": 9, "test_unseen": 1}}, "rooms of train was 1 and is now 9"),
    ],
)
def test_other_settings_in_a_folder_are_refused(made: Path, change: dict, message: str, tmp_path: Path):
    before = contents(made)
    with pytest.raises(ShardError, match=rf"made in another way: {message}\. .*another --out"):
        make(made, workers=1, **change)
    assert contents(made) == before


def test_other_furniture_is_refused(made: Path, quick: None):
    with pytest.raises(ShardError, match=r"furniture was [0-9a-f]{16} and is now furniture"):
        make(made, workers=1)


def test_tars_of_others_are_not_touched(quick: None, tmp_path: Path):
    (tmp_path / "train-000000.tar").write_bytes(b"mine")
    with pytest.raises(ShardError, match=r"tar files but no manifest\.json"):
        make(tmp_path)
    assert contents(tmp_path) == {"train-000000.tar": b"mine"}


def test_one_writer_a_folder(quick: None, tmp_path: Path):
    with only_writer(tmp_path), pytest.raises(FolderInUseError, match=rf"is being written to by process {os.getpid()}"):
        make(tmp_path)


def test_folder_that_cannot_be_written(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="--out must name a folder"):
        make(tmp_path / "file")
    folder = tmp_path / "read_only"
    folder.mkdir(mode=0o555)
    if os.geteuid() == 0:  # root may write anywhere
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"no permission to write.*read_only"):
        make(folder)
    assert not list(folder.iterdir())


def test_too_little_space_is_told_before_the_work(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(OSError, match=r"about 6\.7 MB are needed and 1\.0 MB free.*lower --rooms") as caught:
        make(tmp_path, frames_per_room=100, size=(224, 224))  # 200 frames of about 34 kB
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system of 16 kB can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(tiny_disk: Path, made: Path, capsys: pytest.CaptureFixture[str]):
    command = "data generate --rooms train=1 --seed 5 --frames-per-room 2 --size 64x64 --workers 1 --out"
    assert cli.main([*command.split(), str(tiny_disk)]) == 2
    assert f"distill3d: {tiny_disk}" in (error := capsys.readouterr().err)
    assert ": No space left on device; make room on this disk" in error
    assert [path.name for path in tiny_disk.iterdir()] in ([], ["manifest.json"])


@pytest.mark.parametrize("moment", ["at once", "in a shard"])
def test_ctrl_c(moment: str, made: Path, tmp_path: Path):
    command = "data generate --rooms 4000 --seed 5 --frames-per-room 2 --size 64x64 --workers 2 --out"
    run = subprocess.Popen(
        [sys.executable, "-m", "distill3d_ros.cli", *command.split(), str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    assert "4000 rooms" in run.stdout.readline()
    deadline = time.monotonic() + 60
    while moment == "in a shard" and not list(tmp_path.glob("data/.*.tar.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to parent and workers
    out, err = run.communicate(timeout=30)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert moment == "at once" or "the same command goes on" in out
    assert all_gone(run.pid), "the children have ended too"
    assert sorted(contents(tmp_path / "data")) in ([], ["manifest.json"])
    if moment == "in a shard":
        assert not read_manifest(tmp_path / "data").complete


def all_gone(group: int) -> bool:
    """Whether the processes of a group end within a few seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
