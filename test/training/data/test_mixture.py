"""Several data folders read as one, and what a data set holds in numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.data_samples import make_sample

from distill3d_ros.cli.main import main
from distill3d_ros.scene.annotation import Annotation, DepthSource
from distill3d_ros.training.data.inspection.stats import data_stats, plot_stats
from distill3d_ros.training.data.manifest import Manifest, ShardError, write_manifest
from distill3d_ros.training.data.mixture import MixedReader, RealKeys, open_part, open_split
from distill3d_ros.training.data.reading import KeyedReader, open_when_ready
from distill3d_ros.training.data.shards import ShardReader, ShardWriter


def make_folder(
    folder: Path, *, seed: int, shards: int, splits: tuple[str, ...] = ("train",), depth: DepthSource = "rendered"
) -> Path:
    """Shards of two frames; the seed changes the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    infos = []
    for split in splits:
        for number in range(shards):
            with ShardWriter(folder, split=split, number=number, first_room=number, rooms=1) as writer:
                for frame in range(2):
                    key = f"{split}-{number:06d}-{frame:02d}"
                    sample = make_sample(key, split=split, seed=1000 * seed + 10 * number + frame)
                    writer.add(replace(sample, scene=replace(sample.scene, annotation=Annotation(depth=depth))))
            infos.append(writer.info)
    manifest = Manifest(recipe={"seed": seed}, planned_rooms=dict.fromkeys(splits, shards), shards=tuple(infos))
    write_manifest(folder, manifest)
    return folder


def test_samples_of_several_folders_are_told_apart(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "a", seed=1, shards=2, splits=("train", "val"))
    b = make_folder(tmp_path / "b", seed=2, shards=1)
    mixed = open_split((a, b), "train")
    apart = [ShardReader(folder, "train") for folder in (a, b)]
    assert len(mixed) == 6
    assert len(set(mixed.keys)) == 6
    expected = [(reader, i) for reader in apart for i in range(len(reader))]
    for number, (reader, own) in enumerate(expected):
        np.testing.assert_array_equal(mixed[number].frame.image, reader[own].frame.image)
        assert mixed.scene(number).to_dict() == reader.scene(own).to_dict()
        assert mixed.index_of(mixed.keys[number]) == number
    np.testing.assert_array_equal(mixed[-1].frame.image, apart[1][1].frame.image)
    assert len(open_split((a, b), "val")) == 4
    with pytest.raises(IndexError, match=r"6 samples\. Got number 6"):
        mixed[6]
    for key in ("2/train-000000-00", "train-000000-00", "0/train-000009-00"):
        with pytest.raises(KeyError):
            mixed.index_of(key)


def test_real_pictures_are_told_by_their_keys(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "a", seed=1, shards=1)
    b = make_folder(tmp_path / "b", seed=2, shards=1, depth="measured")
    c = make_folder(tmp_path / "c", seed=3, shards=1, depth="none", splits=("train", "val"))
    is_real = RealKeys((a, b, c), "train")
    assert [is_real(key) for key in open_split((a, b, c), "train").keys] == [False] * 2 + [True] * 4
    for folder, real in ((a, False), (b, True)):
        alone = RealKeys((folder,), "train")
        assert {alone(key) for key in open_split((folder,), "train").keys} == {real}
    for part, folders in (("train", (a, b, c)), ("train/real", (b, c)), ("train/rendered", (a,)), ("val/real", (c,))):
        assert open_part((a, b, c), part).keys == open_split(folders, part.partition("/")[0]).keys
    with pytest.raises(ValueError, match="no data folder has rendered pictures in its split 'val'"):
        open_part((a, b, c), "val/rendered")
    assert len(open_split((a, b, c), "val")) == 2, "validation is on the folders that have such a split"


def test_a_folder_that_grows_is_taken_in(tmp_path: Path) -> None:
    a, b = make_folder(tmp_path / "a", seed=1, shards=1), make_folder(tmp_path / "b", seed=2, shards=1)
    reader, mixed = KeyedReader((a, b), "train"), MixedReader((a, b), "train")
    make_folder(a, seed=1, shards=2)
    assert mixed.refresh() == 6
    grown = "0/train-000001-01"
    np.testing.assert_array_equal(reader[grown].frame.image, mixed[mixed.index_of(grown)].frame.image)


def test_rooms_that_two_folders_share_are_refused(tmp_path: Path) -> None:
    a, b = make_folder(tmp_path / "a", seed=1, shards=1), make_folder(tmp_path / "b", seed=1, shards=2)
    with pytest.raises(ValueError, match=r"a and .*b were both made with --seed 1 and hold the same rooms"):
        open_split((a, b), "train")
    with pytest.raises(ValueError, match=r"data names .*a twice"):
        open_split((a, tmp_path / "b" / ".." / "a"), "train")
    with pytest.raises(ValueError, match="at least one folder"):
        open_split((), "train")
    with pytest.raises(ValueError, match=r"nowhere.*make a data set with `.*`\. Use --wait where it is being made$"):
        open_when_ready((a, tmp_path / "nowhere"), "train", wait=False)
    with pytest.raises(ValueError, match=r"a has no samples of split 'val' yet\. Make data with .*, or use --wait$"):
        open_when_ready((a,), "val", wait=False)


def test_stats_count_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_folder(tmp_path / "data", seed=1, shards=3)
    stats = data_stats(data)
    assert (stats.frames, stats.rooms, stats.scenes) == (6, 3, 6)
    assert stats.objects == {"chair": 6, "table": 6}
    assert stats.frames_with == {"chair": 6, "table": 6}
    assert stats.room_types == {"office": 6}
    assert stats.objects_a_frame == [2] * 6
    np.testing.assert_allclose(stats.pitch, 0, atol=1e-6)
    np.testing.assert_allclose(stats.horizontal_fov, np.degrees(1.1), rtol=1e-6)
    assert 0.5 <= min(stats.depth) < max(stats.depth) <= 6.0
    touching = stats.kinds["touching"]
    assert (touching.askable, touching.pairs, touching.commonest) == (6, 1, 1.0)
    assert touching.balanced == 0  # always yes: the names alone would tell
    assert stats.kinds["near"].askable in (0, 6)
    assert main(["data", "stats", str(data), "--json", "--scenes", "4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scenes"] == 4
    assert found["kinds"]["touching"]["askable"] == 4
    assert main(["data", "stats", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "office 6" in shown
    row = next(line for line in shown.splitlines() if " touching " in line)
    assert "100 %" in row, "the commonest answer"
    assert "chair" in shown
    assert "depth, m" in shown
    plot_stats(stats, tmp_path / "stats.png")
    assert (tmp_path / "stats.png").stat().st_size > 10_000
    with pytest.raises(ShardError, match=r"no frames of split 'val'; it has 6 of train"):
        data_stats(data, "val")
