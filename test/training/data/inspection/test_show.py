"""Sheets of many frames and of cases to check by eye."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.data_samples import make_sample

from distill3d_ros.pictures.drawing import label_color
from distill3d_ros.training.data.inspection.frame_grid import evenly_by_type
from distill3d_ros.training.data.inspection.inspection_options import ShowOptions
from distill3d_ros.training.data.inspection.relation_cases import relation_cases
from distill3d_ros.training.data.inspection.show import show
from distill3d_ros.training.data.manifest import Manifest, ShardError, write_manifest
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardReader, ShardWriter

TYPES = ("bathroom", "kitchen", "kitchen", "kitchen", "kitchen", "office")
"""Of the rooms."""
FRAMES = 2


def sample(room: int, frame: int) -> Sample:
    """A chair and a table; in every other room they touch, in the others they are 10 cm or more apart."""
    made = make_sample(f"train-{room:06d}-{frame:02d}", seed=10 * room + frame)
    contacts = frozenset({(1, 2)}) if room % 2 else frozenset()
    gaps = {(1, 2): 0.0 if room % 2 else 0.1 + 0.1 * room}
    scene = replace(made.scene, contacts=contacts, gaps=gaps)
    image = np.full_like(made.frame.image, 40 + 30 * room)
    return replace(made, scene=scene, frame=replace(made.frame, image=image), room_type=TYPES[room])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with ShardWriter(folder, split="train", number=0, first_room=0, rooms=len(TYPES)) as writer:
        for room in range(len(TYPES)):
            for frame in range(FRAMES):
                writer.add(sample(room, frame))
    assert writer.info is not None
    manifest = Manifest(recipe={}, planned_rooms={"train": len(TYPES)}, shards=(writer.info,))
    write_manifest(folder, manifest)
    return folder


@pytest.fixture(scope="module")
def reader(data: Path) -> ShardReader:
    return ShardReader(data, "train")


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    return image[..., ::-1]


def test_frames_come_evenly_of_all_types_and_no_two_of_one_room(reader: ShardReader) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        picked = evenly_by_type(reader, 4, rng)
        assert [kind for kind, _ in picked] == ["bathroom", "kitchen", "kitchen", "office"]
        assert all(reader.place(number)[1] == kind for kind, number in picked)
        assert len({reader.place(number)[0] for _, number in picked}) == 4
    assert len(evenly_by_type(reader, 60, np.random.default_rng(0))) == len(TYPES)


def test_plain_frames_fill_the_width(data: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        show(ShowOptions(data=data, out=tmp_path / "new" / f"{name}.png", plain=True, count=4, seed=seed))
    a, b, c = ((tmp_path / "new" / f"{name}.png").read_bytes() for name in "abc")
    assert a == b
    assert a != c
    sheet = read(tmp_path / "new" / "a.png")
    assert sheet.shape[1] == 1400
    # Each room has a grey of its own: the four that are shown cover most of the sheet.
    greys = [40 + 30 * room for room in range(len(TYPES))]
    covered = [g for g in greys if (np.abs(sheet.astype(int) - g).max(-1) < 6).mean() > 0.1]
    assert len(covered) == 4


def test_cases_are_half_true_and_the_false_ones_are_near_misses(reader: ShardReader) -> None:
    cases = relation_cases(reader, ["touching"], 4, np.random.default_rng(0))
    assert sorted(case.holds for case in cases) == [False, False, True, True]
    assert sorted(round(case.gap, 3) for case in cases) == [0.0, 0.0, 0.1, 0.3], "not the one that is 50 cm apart"
    assert len({reader.place(case.number)[0] for case in cases}) == 4, "a pair once a room"
    for case in cases:
        assert case.holds == (reader.scene(case.number).contacts == frozenset({(1, 2)}))


def test_both_things_of_a_case_are_outlined(data: Path, tmp_path: Path) -> None:
    show(ShowOptions(data=data, out=tmp_path / "cases.png", relations=["touching"], count=2))
    sheet = read(tmp_path / "cases.png").astype(int)
    for color in ((255, 64, 32), (0, 200, 255)):
        assert (np.abs(sheet - color).max(-1) < 40).sum() > 200, color
    assert label_color("chair") != (255, 64, 32), "the colours are those of the two, not of their labels"


def test_what_cannot_be_shown_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"relations must be some of near, far, touching.* Got 'exists'"):
        show(ShowOptions(data=data, out=tmp_path / "x.png", relations=["touching", "exists"]))
    with pytest.raises(ValueError, match="no clear case of on in split 'train'"):
        show(ShowOptions(data=folder_without_cases(tmp_path / "empty"), out=tmp_path / "x.png", relations=["on"]))
    with pytest.raises(ValueError, match=r"only one of model, plain, relations may be given. Got plain, relations"):
        show(ShowOptions(data=data, out=tmp_path / "x.png", plain=True, relations=["on"]))
    with pytest.raises(ShardError, match="no frames of split 'val'"):
        show(ShowOptions(data=data, out=tmp_path / "x.png", split="val", plain=True))
    with pytest.raises(ValueError, match=r"count must be at least 1\. Got 0"):
        show(ShowOptions(data=data, out=tmp_path / "x.png", plain=True, count=0))
    assert not (tmp_path / "x.png").exists()


def folder_without_cases(folder: Path) -> Path:
    """One frame with one thing in it."""
    folder.mkdir()
    made = make_sample()
    alone = replace(made, scene=replace(made.scene, objects=made.scene.objects[:1], contacts=frozenset(), gaps={}))
    with ShardWriter(folder, split="train", number=0, first_room=0, rooms=1) as writer:
        writer.add(alone)
    assert writer.info is not None
    manifest = Manifest(recipe={}, planned_rooms={"train": 1}, shards=(writer.info,))
    write_manifest(folder, manifest)
    return folder
