"""`distill3d ask` and `distill3d doctor`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.random_student import save_random_student

from distill3d_ros.cli import ask as asking
from distill3d_ros.cli import doctor
from distill3d_ros.cli import main as cli
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Scene


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a student and a picture in it."""
    folder = save_random_student(tmp_path_factory.mktemp("student"))
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    cv2.imwrite(str(folder / "room.png"), picture)
    return folder


def ask(folder: Path, *arguments: str) -> int:
    return cli.main(["ask", str(folder / "room.png"), *arguments, "--model", str(folder)])


def test_json_has_everything(folder, tmp_path, capsys):
    depth, picture = tmp_path / "depth.png", tmp_path / "seen.jpg"
    files = ["--depth", str(depth), "--picture", str(picture)]
    assert ask(folder, "Is there a chair?", "--json", "--fov", "70", *files) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["question"] == "Is there a chair?"
    assert {"answer", "confidence", "objects", "latency_ms", "source", "scene", "model_sha256"} <= set(told)
    assert (told["value_type"], told["unit"]) == ("yes_no" if isinstance(told["value"], bool) else "", "")
    assert told["understood"] is True
    assert told["intrinsics"]["fx"] == pytest.approx(60 / np.tan(np.radians(35)))
    assert (told["depth"], told["picture"]) == (str(depth), str(picture))
    millimetres = cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)
    assert (millimetres.dtype, millimetres.shape) == (np.uint16, (90, 120))
    assert millimetres.min() > 0
    assert cv2.imread(str(picture)) is not None
    assert not list(tmp_path.glob("*.part"))


def test_a_question_over_the_limit_hears_the_limit(folder, capsys):
    assert ask(folder, "Is there a chair" + "?" * MAX_QUESTION_CHARACTERS, "--json", "--fov", "60") == 1
    told = json.loads(capsys.readouterr().out)
    assert f"I read at most {MAX_QUESTION_CHARACTERS}" in told["answer"]
    assert (told["understood"], told["value"], told["value_type"], told["unit"]) == (False, None, "", "")


def test_several_questions_make_one_object(folder, capsys):
    assert ask(folder, "Is there a chair?", "Wie bitte?", "--json", "--fov", "60") == 1
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [a["understood"] for a in answers] == [True, False]
    assert "do not understand" in answers[1]["answer"]


def test_words_and_the_warning_of_a_guessed_camera(folder, capsys):
    assert ask(folder, "Is there a chair?") == 0
    said = capsys.readouterr()
    assert re.search(r"Is there a chair\?\n  .+\n  confidence [01]\.\d\d, \d+ ms", said.out)
    assert "taking 60 degrees" in said.err
    assert "--fov or --camera" in said.err


def test_a_calibration_file_counts(folder, tmp_path, capsys):
    file = tmp_path / "camera.yaml"
    numbers = "[100.0, 0, 60.0, 0, 101.0, 45.0, 0, 0, 1]"
    file.write_text(f"image_width: 120\nimage_height: 90\ncamera_matrix: {{data: {numbers}}}\n")
    assert ask(folder, "Is there a chair?", "--json", "--camera", str(file)) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["intrinsics"]["fy"] == 101.0
    assert "warning" not in said.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.png", "Is there a chair?"], "nowhere.png: no such picture"),
        ([__file__, "Is there a chair?"], "is no picture that can be read"),
        (["ROOM", "Is there a chair?", "--fov", "0"], "--fov must lie between 1 and 175 degrees. Got 0"),
        (["ROOM", "Is there a chair?", "--depth", "d.tiff"], r"must end in .png, .jpg.*Got 'd.tiff'"),
        (["ROOM", "Is there a chair?", "--picture", "/no/folder/p.png"], "/no/folder: no such folder"),
        (["ROOM", "Is there a chair?", "--model", "/no/model"], "model must be a folder with a student"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, arguments, says):
    arguments = [str(folder / "room.png") if a == "ROOM" else a for a in arguments]
    assert cli.main(["ask", *arguments]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning")]
    assert len(errors) == 1
    assert re.search(says, errors[0])


def test_metres_go_to_npy_as_they_are(tmp_path):
    depth = np.array([[0.5, np.nan], [70.0, 0.0]], np.float32)
    scene = Scene(objects=(), intrinsics=Intrinsics(fx=1, fy=1, cx=0, cy=0, width=2, height=2), depth=depth)
    asking.write_depth(tmp_path / "d.npy", scene)
    np.testing.assert_array_equal(np.load(tmp_path / "d.npy"), depth)
    asking.write_depth(tmp_path / "d.png", scene)
    read = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert read.tolist() == [[500, 0], [65535, 0]]  # farther than 16 bits of millimetres can say: the largest value


def test_no_space_leaves_no_half_file(tmp_path, monkeypatch):
    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:3])
        raise OSError(28, "No space left on device", str(self))

    (tmp_path / "d.png").write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        asking.write_whole(tmp_path / "d.png", b"new data")
    assert (tmp_path / "d.png").read_bytes() == b"old"
    assert [f.name for f in tmp_path.iterdir()] == ["d.png"]


def test_the_doctor_finds_what_is_there(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", (doctor.check_python, doctor.check_torch, doctor.check_ros))
    assert doctor.run_doctor() == 0
    said = capsys.readouterr().out
    assert re.search(r"^  ok  Python 3\.\d+", said, re.MULTILINE)
    assert re.search(r"^  ok  torch .*(GPU|CPU)", said, re.MULTILINE)
    assert re.search(r"^  ok  ROS 2 .*rmw_", said, re.MULTILINE)


def test_the_doctor_says_what_to_do(capsys, monkeypatch):
    def missing(name: str):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(doctor, "CHECKS", (doctor.check_ros,))
    monkeypatch.setattr(doctor.importlib, "import_module", missing)
    assert doctor.run_doctor() == 1
    said = capsys.readouterr().out
    assert "FAIL  rclpy: No module named 'rclpy'\n      -> source /opt/ros" in said
    assert "not usable as it is" in said


def test_the_doctor_asks_for_the_dds_profile(capsys, monkeypatch):
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "CHECKS", (doctor._fast_dds,))
    assert doctor.run_doctor() == 0
    said = capsys.readouterr().out
    assert re.search(r"warn  no Fast DDS profile.*\n +-> export FASTDDS_DEFAULT_PROFILES_FILE=", said)


def test_a_check_that_breaks_is_a_finding(capsys, monkeypatch):
    def check_moon():
        raise RuntimeError("too far")
        yield

    monkeypatch.setattr(doctor, "CHECKS", (check_moon, doctor.check_python))
    assert doctor.run_doctor() == 1
    said = capsys.readouterr().out
    assert "FAIL  moon: RuntimeError: too far" in said
    assert "Python" in said
