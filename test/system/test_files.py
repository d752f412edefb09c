"""Whole files, checksums, and one writer a folder."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from distill3d_ros.system.files import (
    LOCK,
    FolderInUseError,
    check_file,
    file_sha256,
    only_writer,
    temporary_path,
    whole_file,
    write_together,
    write_whole,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_content_is_bytes_text_or_a_function(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"\x00\n")
    write_whole(tmp_path / "b", "größer\n")
    write_whole(tmp_path / "c", lambda path: path.write_text("own"))
    with whole_file(tmp_path / "d") as part:
        part.write_text("later")
        assert not (tmp_path / "d").exists()
    assert names(tmp_path) == ["a", "b", "c", "d"]
    assert (tmp_path / "a").read_bytes() == b"\x00\n"
    assert (tmp_path / "b").read_bytes() == "größer\n".encode()
    assert (tmp_path / "c").read_text() + (tmp_path / "d").read_text() == "ownlater"


def test_the_file_before_may_be_kept(tmp_path: Path) -> None:
    for text in "one", "two":
        write_whole(tmp_path / "latest", text, previous=tmp_path / "previous")
    assert ((tmp_path / "previous").read_text(), (tmp_path / "latest").read_text()) == ("one", "two")


def test_a_full_disk_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("before")
    temporary_path(tmp_path / "a").symlink_to("/dev/full")  # a device on which there is never any space
    with pytest.raises(OSError, match="No space left on device; make room on this disk") as caught:
        write_whole(tmp_path / "a", b"new")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "a")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_a_full_disk_is_named_by_the_lock_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    left = tmp_path / ".a.1.tmp"
    left.write_text("half")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left on device; make room on this disk") as caught:
            only_writer(tmp_path).__enter__()
    assert caught.value.filename == str(tmp_path / LOCK)
    assert names(tmp_path) == [], "what a killed writer left goes first: it may be what fills the disk"


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", b"")
        write_whole(tmp_path / "b", lambda path: save_file({"x": np.zeros(1)}, path))  # alone: for the owner only
        with only_writer(tmp_path):
            modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["a", "b", LOCK], "0o640")


def test_files_that_belong_together_appear_together(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise KeyError("broken")

    write_together({tmp_path / "a": "old", tmp_path / "b": "old"})
    with pytest.raises(KeyError, match="broken"):
        write_together({tmp_path / "a": "new", tmp_path / "b": fail})
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "old"


def test_errors_of_other_files_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "a", lambda path: (tmp_path / "absent").read_text())
    assert caught.value.filename == str(tmp_path / "absent")
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "no folder" / "a", b"")
    assert caught.value.filename == str(tmp_path / "no folder" / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError) as caught:
        write_whole(tmp_path / "file" / "a", b"")
    assert caught.value.filename == str(tmp_path / "file" / "a")


def test_a_file_is_checked_against_its_list(tmp_path: Path) -> None:
    path, what = tmp_path / "a", {"listed_in": "the manifest", "remedy": "make it again"}
    path.write_bytes(b"content")
    right = hashlib.sha256(b"content").hexdigest()
    assert file_sha256(path) == right
    check_file(path, sha256=right, size=7, **what)
    with pytest.raises(ValueError, match=r"a has 7 bytes, the manifest says 8: .*damaged.*; make it again"):
        check_file(path, size=8, **what)
    with pytest.raises(KeyError, match=rf"a has sha256 {right}, the manifest says 00: .*; make it again"):
        check_file(path, sha256="00", error=KeyError, **what)
    with pytest.raises(ValueError, match=r"b is missing, but the manifest lists it; make it again"):
        check_file(tmp_path / "b", **what)


def test_one_writer_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with only_writer(folder, doing="trained in"):
        assert (folder / LOCK).read_text() == str(os.getpid())
        message = rf"new is being trained in by process {os.getpid()}; stop it first or wait .*another --out"
        with pytest.raises(FolderInUseError, match=message), only_writer(folder, doing="trained in"):
            pass
        assert names(folder) == [LOCK], "who was refused removes nothing"
    assert names(folder) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="--out must name a folder"), only_writer(tmp_path / "file"):
        pass


def test_a_killed_writer_leaves_no_lock_and_its_partial_files_go(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from distill3d_ros.system.files import *\n"
        "folder = Path(sys.argv[1])\n"
        "with only_writer(folder), whole_file(folder / 'a') as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(names(tmp_path)) == 2, "the lock's file and half a file"
    with only_writer(tmp_path):
        assert names(tmp_path) == [LOCK]
    assert names(tmp_path) == []
