"""Folders that go on after a stop: what is compared, and what an error says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distill3d_ros.system.files import file_sha256
from distill3d_ros.system.resumable_folder import ResumableFolder, differences


class FolderError(ValueError):
    """Of this format."""


def folder_in(path: Path) -> ResumableFolder:
    return ResumableFolder(
        path=path,
        index="index.json",
        holds="pictures",
        version=2,
        missing="`paint` makes them",
        remedy="paint again",
        error=FolderError,
    )


def test_what_differs_is_named_with_both_values() -> None:
    assert differences({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}) == []
    before = {"seed": 1, "size": [64, 64], "config": {"lr": 0.1, "steps": 3}, "stages": [{"name": "x"}, {"name": "y"}]}
    now = {"seed": 2, "size": [96, 64], "config": {"lr": 0.2, "steps": 3}, "stages": [{"name": "x"}, {"name": "z"}]}
    assert differences(before, now, names={"seed": "--seed"}) == [
        "--seed was 1 and is now 2",
        "size was [64, 64] and is now [96, 64]",
        "config.lr was 0.1 and is now 0.2",
        "stages[1].name was y and is now z",
    ]
    assert differences({"teacher": ""}, {"teacher": "answers"}) == ["teacher was empty and is now answers"]
    assert differences({"a": 1}, {"b": None}) == ["a was 1 and is now not given", "b was not given and is now None"]


def test_a_folder_goes_on_only_as_it_was_begun(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    folder.check_same({"seed": 1}, {"seed": 1})
    with pytest.raises(
        FolderError,
        match=r"holds pictures made in another way: seed was 1 and is now 2\. Give the same .*another --out",
    ):
        folder.check_same({"seed": 1}, {"seed": 2})


def test_the_index(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    assert not folder.is_begun
    with pytest.raises(FolderError, match=r"no pictures in .*: index\.json is missing; `paint` makes them"):
        folder.read()
    with pytest.raises(FolderError, match=r"no pictures in .*nowhere: the folder does not exist; `paint` makes them"):
        folder_in(tmp_path / "nowhere").read()
    folder.write({"seed": 1})
    assert folder.is_begun
    assert folder.read() == {"seed": 1}
    assert (tmp_path / "index.json").read_text() == '{\n "format_version": 2,\n "seed": 1\n}\n'
    (tmp_path / "index.json").write_text(json.dumps({"format_version": 1}))
    with pytest.raises(FolderError, match=r"has format_version 1, this program reads 2; make it again in a new folder"):
        folder.read()
    for damaged in ("{", "[]", "{}", "3"):
        (tmp_path / "index.json").write_text(damaged)
        with pytest.raises(FolderError, match=r"is not an index of pictures .*; paint again"):
            folder.read()


def test_files_that_are_missing_or_damaged_are_not_whole(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    (tmp_path / "a").write_bytes(b"content")
    sha256 = file_sha256(tmp_path / "a")
    assert folder.is_whole("a", sha256=sha256, size=7)
    assert not folder.is_whole("a", sha256=sha256, size=8)
    assert not folder.is_whole("a", sha256="00")
    assert not folder.is_whole("b", sha256=sha256)
    with pytest.raises(FolderError, match=r"a has sha256 .* the index says 00: .*; paint again"):
        folder.check("a", sha256="00")
