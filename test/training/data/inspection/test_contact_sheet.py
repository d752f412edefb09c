"""The sheet of samples: what it shows, that it is the same each time, and what it says when there is nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.data_samples import make_sample
from support.random_student import save_random_student

from distill3d_ros.training.data.inspection import contact_sheet as module
from distill3d_ros.training.data.inspection.inspection_options import ShowOptions
from distill3d_ros.training.data.inspection.show import show
from distill3d_ros.training.data.manifest import Manifest, ShardError, write_manifest
from distill3d_ros.training.data.shards import ShardWriter


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with ShardWriter(folder, split="train", number=0, first_room=0, rooms=1) as writer:
        for frame in range(5):
            writer.add(make_sample(f"train-000000-{frame:02d}", seed=frame))
    assert writer.info is not None
    manifest = Manifest(recipe={}, planned_rooms={"train": 1}, shards=(writer.info,))
    write_manifest(folder, manifest)
    return folder


def test_sheet_is_a_picture_that_depends_on_the_seed_only(data: Path, tmp_path: Path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        show(ShowOptions(data=data, out=tmp_path / "new" / f"{name}.png", count=2, seed=seed))
    a, b, c = ((tmp_path / "new" / f"{name}.png").read_bytes() for name in "abc")
    assert a == b
    assert a != c
    image = cv2.imdecode(np.frombuffer(a, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] > 2 * 3 * 256, "two samples side by side, three pictures each, 64 pixels enlarged to 256"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png", "b.png", "c.png"]


def test_what_a_student_sees_stands_beside_the_truth(data: Path, tmp_path: Path):
    student = save_random_student(tmp_path / "student")
    show(ShowOptions(data=data, out=tmp_path / "seen.png", count=2, model=student))
    image = cv2.imdecode(np.frombuffer((tmp_path / "seen.png").read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] > 4 * 256, "four pictures side by side"
    assert image.shape[0] > 2 * 200, "two samples, one below the other"


def test_no_more_samples_than_there_are(data: Path, tmp_path: Path):
    show(ShowOptions(data=data, out=tmp_path / "five.png", count=5))
    show(ShowOptions(data=data, out=tmp_path / "many.png", count=50))
    assert (tmp_path / "five.png").read_bytes() == (tmp_path / "many.png").read_bytes()


def test_questions_are_of_different_families_and_answered():
    lines = module._questions(make_sample(), np.random.default_rng(0))
    assert len(lines) == len(set(lines)) == module.QUESTIONS
    for line in lines:
        question, answer = line.split("  >  ")
        assert question
        assert answer


def test_nothing_to_show(data: Path, tmp_path: Path):
    with pytest.raises(ShardError, match="no frames of split 'val'"):
        show(ShowOptions(data=data, out=tmp_path / "x.png", split="val"))
    with pytest.raises(ValueError, match=r"count must be at least 1\. Got 0"):
        show(ShowOptions(data=data, out=tmp_path / "x.png", count=0))
    assert not (tmp_path / "x.png").exists()
