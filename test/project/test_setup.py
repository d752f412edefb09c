"""The set-up script's decisions; that it works from nothing is what `make test` in a fresh clone shows."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import setup_env  # noqa: E402
import setup_steps  # noqa: E402


def wanted() -> list[str]:
    lines = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_what_is_up_to_date_takes_no_time() -> None:
    if not setup_env.STAMP.is_file():
        pytest.skip("this .venv was not made by the set-up script")
    subprocess.run(["make", "-s", "setup"], cwd=ROOT, capture_output=True, check=True)
    stamp, spent = setup_env.STAMP.read_text(), cpu_seconds_of_children()
    done = subprocess.run(["make", "-s", "setup"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert cpu_seconds_of_children() - spent < 1.0
    assert done.stdout == ""
    assert setup_env.STAMP.read_text() == stamp


def cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_without_root_the_exact_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_steps, "SYSTEM_PACKAGES", {"libegl1": lambda: False, "g++": lambda: True})
    monkeypatch.setattr(setup_steps, "has_module", lambda python, module: True)
    monkeypatch.setattr(setup_steps.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    line = re.escape("sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends libegl1")
    with pytest.raises(setup_steps.SetupError, match=line):
        setup_steps.install_system_packages(sys.executable)


def test_a_robots_torch_and_numpy_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"torch": "2.5.0a0+872d972e41.nv24.8", "numpy": "1.26.4"}

    def answer(python: str, code: str) -> str | None:
        return next((version for name, version in versions.items() if f"version('{name}')" in code), None)

    monkeypatch.setattr(setup_steps, "ask_python", answer)
    monkeypatch.setattr(setup_steps, "has_module", lambda python, module: False)
    kept, constraints = setup_steps.keep_what_is_there(wanted(), "python3")
    names = [re.split("[=;]", line)[0] for line in kept]
    assert "torch" not in names
    assert "numpy" not in names
    assert {"transformers", "safetensors"} <= set(names)
    assert constraints == ["torch==2.5.0a0+872d972e41.nv24.8", "numpy>=1.26.4", "numpy<2"]
    # Newer OpenCV wheels want numpy 2.
    assert "opencv-python-headless==4.11.0.86" in kept


def test_a_sourced_ros_without_torch_gets_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_steps, "ask_python", lambda python, code: "2.1.0" if "numpy" in code else None)
    monkeypatch.setattr(setup_steps, "has_module", lambda python, module: module == "cv2")
    kept, constraints = setup_steps.keep_what_is_there(wanted(), "python3")
    assert any(line.startswith("torch==") for line in kept)
    assert not any(line.startswith("opencv") for line in kept)
    assert constraints == ["numpy>=2.1.0", "numpy<3"]


def test_a_failed_step_is_done_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(setup_env, "STAMP", tmp_path / "stamp.json")
    stamps = setup_env.Stamps()
    with stamps.step("one", "a") as stale:
        assert stale
    with pytest.raises(setup_steps.SetupError), stamps.step("two", "a"):
        raise setup_steps.SetupError("no network")
    again = setup_env.Stamps()
    with again.step("one", "a") as stale:
        assert not stale
    with again.step("two", "a") as stale:
        assert stale
    with again.step("one", "b") as stale:
        assert stale
    assert json.loads((tmp_path / "stamp.json").read_text()) == {"one": "b", "two": "a"}
    (tmp_path / "stamp.json").write_text("{half a fi")
    assert setup_env.Stamps().done == {}


def test_a_failing_command_shows_its_output() -> None:
    command = [sys.executable, "-c", "print('cannot find it'); raise SystemExit(4)"]
    with pytest.raises(setup_steps.SetupError, match=r"looking failed with exit status 4:\n    cannot find it"):
        setup_steps.run(command, "looking")


def test_no_usable_python_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_env, "ask_python", lambda python, code: "3 8")
    with pytest.raises(setup_steps.SetupError, match=r"no Python of 3\.10, 3\.11, 3\.12 found .*DISTILL3D_PYTHON"):
        setup_env.find_python()


def test_every_requirement_is_pinned_for_every_supported_python() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                assert re.match(r"^[\w.-]+(\[\w+\])?==[\w.]+(; python_version [<>]=? \"3\.11\")?$", line), line


def test_the_torch_that_runs_is_the_one_that_is_pinned() -> None:
    import torch

    if os.environ.get("ROS_DISTRO"):
        pytest.skip("a robot's own torch is kept")
    assert f"torch=={torch.__version__.partition('+')[0]}" in wanted()
