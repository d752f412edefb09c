"""The demo from end to end: real processes, real DDS, a real (if untrained) student."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from rosbags.highlevel import AnyReader
from support.random_student import save_random_student

from distill3d_ros.demo import demo
from distill3d_ros.questions.kind_record import FAMILIES

MARK = "DISTILL3D_TEST_MARK"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_student(tmp_path_factory.mktemp("student"))


def demo_command(out: Path, student: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "distill3d_ros.cli", "demo", "--out", str(out), "--model", str(student), *more]


def processes_with(mark: str) -> list[int]:
    """Process ids that carry the mark in their environment, as children inherit it."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.fixture
def marked() -> Iterator[dict[str, str]]:
    """An environment by which everything that a test starts can be found, and ended if the test fails."""
    mark = uuid.uuid4().hex
    yield {**os.environ, MARK: mark}
    for pid in processes_with(mark):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(300)
def test_the_demo_asks_all_families_and_leaves_what_it_says(
    tmp_path: Path, student: Path, marked: dict[str, str]
) -> None:
    out = tmp_path / "demo_out"
    command = demo_command(out, student, "--questions", "16")
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=marked, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert processes_with(marked[MARK]) == []
    assert [p.name for p in tmp_path.iterdir()] == ["demo_out"]

    findings = json.loads((out / "answers.json").read_text())
    assert findings["questions"] == len(findings["exchanges"]) == 16
    assert {e["family"] for e in findings["exchanges"]} == set(FAMILIES)
    for exchange in findings["exchanges"]:
        assert exchange["question"][:30] in done.stdout
        assert exchange["answer"]
        assert exchange["truth"]
        assert exchange["round_trip_ms"] >= exchange["latency_ms"] > 0
    assert findings["accuracy"] == sum(e["right"] for e in findings["exchanges"]) / 16
    assert 0 < findings["depth"]["absrel"] < 5
    assert findings["perception_hz"] > 0
    for name in ("annotated.png", "depth.png", "top_down.png", "overview.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG"), name
    check_bag(out / "bag", [e["question"] for e in findings["exchanges"]])


def check_bag(bag: Path, questions: list[str]) -> None:
    """Everything of one stamp is there, and our own types can be read back by somebody who does not have them."""
    with AnyReader([bag]) as reader:
        topics = {topic: info.msgcount for topic, info in reader.topics.items()}
        told = [
            reader.deserialize(raw, c.msgtype).question
            for c, _, raw in reader.messages()
            if c.topic == "/spatial_node/answer"
        ]
        images = {t for c, t, _ in reader.messages() if c.topic == "/image/compressed"}
        objects = {t for c, t, _ in reader.messages() if c.topic == "/spatial_node/objects"}
    assert sorted(told) == sorted(questions)
    assert len(images) >= 5
    assert images <= objects
    assert topics["/camera_node/truth"] == topics["/camera_info"] == len(objects)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind(
    number: signal.Signals, tmp_path: Path, student: Path, marked: dict[str, str]
) -> None:
    out = tmp_path / "demo_out"
    process = subprocess.Popen(
        demo_command(out, student), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=marked
    )
    assert process.stdout is not None
    heard = []
    for line in process.stdout:
        heard.append(line)
        if "first frame" in line:  # both nodes are up
            process.send_signal(number)
            break
    heard.append(process.stdout.read())
    process.stdout.close()
    assert process.wait(30) == 130, "".join(heard)
    assert "interrupted" in heard[-1]
    assert "Traceback" not in "".join(heard)
    assert wait_for_none(marked[MARK]) == []
    assert list(tmp_path.iterdir()) == []


def wait_for_none(mark: str, limit_s: float = 5.0) -> list[int]:
    deadline = time.monotonic() + limit_s
    while (left := processes_with(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_a_node_that_cannot_start_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    out = tmp_path / "demo_out"
    command = demo_command(out, tmp_path / "no_student")
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert "The demo failed: spatial_node ended with exit status 1" in done.stdout
    assert "no_student" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_other_peoples_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds other files"), demo.written_at_once(tmp_path):
        pass
    with pytest.raises(ValueError, match="which is a file"), demo.written_at_once(tmp_path / "thesis.txt"):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_earlier_demo_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    out = tmp_path / "demo_out"
    for content in ("first", "second"):
        with demo.written_at_once(out) as folder:
            (folder / "answers.json").write_text(content)
    assert (out / "answers.json").read_text() == "second"

    def fail_half_way() -> None:
        with demo.written_at_once(out) as folder:
            (folder / "answers.json").write_text("third")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail_half_way()
    assert (out / "answers.json").read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["demo_out"]
