"""Threads: what is set and what the user's own settings leave, a container's share, and what the programs hand on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from distill3d_ros.system import threads
from distill3d_ros.system.threads import ONE_THREAD, SLEEPING, available_cores, thread_variables, waiting_threads_sleep

PARENT = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "OPENCV_"))}
PROGRAMS = {
    "distill3d ask": ("distill3d_ros.cli", "ask", "no-such-picture.png", "Is there a chair?"),
    "spatial_node": ("distill3d_ros.nodes.spatial_node", "--ros-args", "-p", "model:=/no/such/student"),
}


def test_waiting_threads_sleep_and_numpy_and_opencv_have_one() -> None:
    assert thread_variables({}) == {**SLEEPING, "OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
    assert thread_variables({}, threads=3)["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("own", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_a_user_who_says_how_to_wait_is_left_alone(own: str) -> None:
    assert not set(SLEEPING) & set(thread_variables({own: "7"}))


def test_a_users_own_counts_stay() -> None:
    own = {"OPENBLAS_NUM_THREADS": "4", "OPENCV_FOR_THREADS_NUM": "2", "OMP_NUM_THREADS": "2"}
    assert thread_variables(own) == SLEEPING


@pytest.mark.parametrize(
    ("own", "limit", "count"), [("2", 8, "2"), ("16", 8, "8"), ("4,2", 8, "4"), ("nonsense", 8, "8"), ("0", 8, "8")]
)
def test_a_limit_bounds_a_users_own_count(own: str, limit: int, count: str) -> None:
    assert thread_variables({"OMP_NUM_THREADS": own}, threads=limit)["OMP_NUM_THREADS"] == count


@pytest.mark.parametrize(
    ("environment", "sleep"),
    [
        ({}, False),
        (SLEEPING, True),
        ({"OMP_WAIT_POLICY": "active"}, False),
        ({"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}, False),
        ({"GOMP_SPINCOUNT": "0"}, True),
    ],
)
def test_whether_waiting_threads_sleep_is_told(environment: dict[str, str], sleep: bool) -> None:
    assert waiting_threads_sleep(environment) is sleep


@pytest.mark.parametrize(
    ("files", "membership", "cores"),
    [
        ({"cpu.max": "max 100000"}, "0::/", 64),
        ({"cpu.max": "150000 100000"}, "0::/", 2),
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000", "a/b/c/x": ""}, "0::/a/b/c", 4),
        ({"cpu/job/cpu.cfs_quota_us": "250000", "cpu/job/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/job", 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/\n2:memory:/x", 64),
        ({"cpu.max": "half of it"}, "0::/", 64),
    ],
)
def test_a_container_has_the_cores_of_its_share(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], membership: str, cores: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "membership").write_text(membership + "\n")
    monkeypatch.setattr(threads, "_CGROUPS", tmp_path)
    monkeypatch.setattr(threads, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(threads, "_allowed_cores", lambda: 64)
    assert available_cores() == cores


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("own", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}], ids=["default", "the user's own"])
def test_programs_set_them_before_torch_is_loaded(program: str, own: dict[str, str]) -> None:
    """GNU's OpenMP tells what it has read at the moment that torch loads it."""
    module, *arguments = PROGRAMS[program]
    environment = {**PARENT, "OMP_DISPLAY_ENV": "TRUE", **own}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0, "the program ends at its wrong arguments, once torch is loaded"
    told = [line.split("=")[1].strip(" '") for line in done.stderr.splitlines() if "OMP_WAIT_POLICY" in line]
    if not told:
        pytest.skip("this torch has another OpenMP than GNU's")
    assert set(told) == {"ACTIVE" if own else "PASSIVE"}, done.stderr


def test_numpy_and_opencv_read_them_too() -> None:
    code = "import cv2; print(cv2.getNumThreads())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**PARENT, **ONE_THREAD}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
