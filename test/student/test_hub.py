"""Students by folder and by hub id; the hub's cache is made here, and no network is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from support.student_fixtures import small_student, views

from distill3d_ros.student.checkpoint import load_student, save_student
from distill3d_ros.student.hub import student_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_saved_and_loaded_it_is_the_same_to_the_bit(tmp_path: Path) -> None:
    student = small_student()
    save_student(tmp_path / "student", student)
    again = load_student(tmp_path / "student")
    assert again.config == student.config
    for name, value in student.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    with torch.no_grad():
        assert torch.equal(again.perceive(*views()).depth, student.perceive(*views()).depth)
    save_student(tmp_path / "copy", again)
    for file in (tmp_path / "student").iterdir():
        assert (tmp_path / "copy" / file.name).read_bytes() == file.read_bytes()


def test_a_hub_id_is_read_from_the_cache_without_asking_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout of the hub's cache: snapshots by commit, and names of commits."""
    cached = tmp_path / "models--someone--student"
    save_student(cached / "snapshots" / COMMIT, small_student())
    (cached / "refs").mkdir()
    (cached / "refs" / "v1").write_text(COMMIT)
    for revision in ("v1", COMMIT):
        assert student_folder(f"someone/student@{revision}", cache_dir=tmp_path) == cached / "snapshots" / COMMIT
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=r"'someone/other@v1' is not in the cache and could not be fetched"):
        student_folder("someone/other@v1", cache_dir=tmp_path)


@pytest.mark.parametrize("source", ["someone/student", "/nowhere/at/all", "nowhere", "a/b/c@v1"])
def test_what_is_neither_a_folder_nor_pinned_is_refused(source: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder with a student.*or owner/name@revision.*which is no folder"):
        student_folder(source)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub on this machine that has someone/student without any revision, and nothing else."""

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code = "RevisionNotFound" if "/someone/student" in self.path else "RepoNotFound"
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("hub")
def test_what_the_hub_does_not_have_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model 'nobody/nothing@v1' .*no repository 'nobody/nothing', or"):
        student_folder("nobody/nothing@v1", cache_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'someone/student' has no revision 'v9'\. Check the name, the"):
        student_folder("someone/student@v9", cache_dir=tmp_path)


def test_without_the_hubs_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match="pip install huggingface_hub"):
        student_folder("someone/student@v1")
