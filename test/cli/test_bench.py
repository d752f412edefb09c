"""What busy neighbours and a cold start cost, measured at small size."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from distill3d_ros.cli.bench_busy import busy_processes, busy_timings
from distill3d_ros.cli.bench_grid import grid_json, student_with_onnx
from distill3d_ros.cli.bench_settings import STAGES, Durations, Setting, grid_settings, waiting_settings
from distill3d_ros.cli.bench_start import run_measured
from distill3d_ros.cli.performance_page import performance_page
from distill3d_ros.system.threads import SLEEPING, SPINNING


def children() -> set[int]:
    """Of this process."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_busy_neighbours_compute_and_end_with_the_block() -> None:
    before = children()
    with busy_processes(2):
        busy = children() - before
        assert len(busy) == 2
        deadline = time.monotonic() + 20
        while min(map(processor_seconds, busy)) < 0.05 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert min(map(processor_seconds, busy)) >= 0.05
    assert not children() & busy


def test_each_stage_is_measured_idle_and_busy(folder: Path) -> None:
    environment = dict(os.environ)
    found = busy_timings(folder, 0.3, settings=[Setting(threads=1)], cores=1)
    assert dict(os.environ) == environment
    assert [d.stage for d in found] == list(STAGES)
    for durations in found:
        figures = durations.figures()
        assert min(figures["idle_count"], figures["busy_count"]) >= 9, "three a turn at least"
        assert 0 < figures["idle_p50_ms"] <= figures["idle_p95_ms"] <= figures["idle_p99_ms"]
        assert 50 < figures["peak_mib"] < 4000


def test_backends_and_cameras_are_compared_on_a_page(folder: Path) -> None:
    pytest.importorskip("onnx", reason="the export needs the package onnx, an extra")
    pytest.importorskip("onnxruntime", reason="the backend needs the package onnxruntime, an extra")
    with student_with_onnx(folder) as (copy, backends):
        assert backends == ["torch", "onnxruntime"]
        one = [Setting(threads=1, backend=backend) for backend in backends]
        several = Setting(threads=1, backend="onnxruntime", cameras=2)
        durations = busy_timings(copy, 0.1, settings=[*one, several], cores=1)
    assert not copy.exists()
    grid = grid_json(durations, 1)
    assert [r["idle_over_reference"] for r in grid["rows"] if r["backend"] == "torch"] == [1.0, 1.0, 1.0]
    assert all(r["idle_over_reference"] > 0 for r in grid["rows"])
    page = performance_page(FIGURES | {"grid": grid})
    assert page.count("| 640 x 480 | perceive | onnxruntime | 1 |") == 1
    row = next(line for line in page.splitlines() if line.startswith("| 640 x 480 | onnxruntime | 1 |"))
    alone, together = (next(r["idle_p50_ms"] for r in grid["rows"]
                            if r["backend"] == "onnxruntime" and r["cameras"] == n) for n in (1, 2))  # fmt: skip
    assert row.split(" | ")[3:6] == [f"{1e3 / alone:.1f}", f"{1e3 / together:.1f}", f"{alone / together:.2f}"]


FIGURES = {
    "machine": "a machine",
    "model": "a student",
    "timings": [{"stage": "ask", "median_ms": 1.25, "p95_ms": 2.5, "p99_ms": 3.75, "count": 9, "note": ""}],
    "spatial_node_peak_mib": 300.4,
}


def test_the_page_tells_what_was_measured() -> None:
    starts = [{"program": "import torch", "wall_s": 2.5, "cpu_s": 2.25, "peak_mib": 200.0, "count": 7}]
    page = performance_page(FIGURES | {"starts": starts, "spatial_node_first_answer_s": {"torch": [4.0, 9.0, 5.0]}})
    assert "| ask | 1.2 | 2.5 | 3.8 | 9 |  |" in page
    assert "| import torch | 2.50 | 2.25 | 200 |" in page
    assert "start to first answer | 5.00 |" in page
    assert "held 300 MiB" in page
    assert "## Idle and busy" not in page


def test_the_grid_has_both_counts_of_threads_and_both_pictures_of_each_backend() -> None:
    settings = grid_settings(2, ["torch", "onnxruntime"])
    single = {(s.backend, s.threads, s.picture) for s in settings if s.cameras == 1}
    assert len(single) == 8
    assert [s.cameras for s in settings if s.cameras > 1] == [4, 4]
    assert all(s.sleeping for s in settings)


def test_ratios_are_to_the_idle_median() -> None:
    figures = Durations(setting=Setting(threads=1), stage="ask", idle=[10.0] * 5, busy=[12.0] * 99 + [50.0]).figures()
    assert figures["busy_p50_over_idle_p50"] == pytest.approx(1.2)
    assert figures["busy_p99_ms"] > 12.0


def test_a_student_that_cannot_be_loaded_is_named_here(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no student in .*config\.json is missing"):
        busy_timings(tmp_path, 0.1, settings=[Setting(threads=1)], cores=1)


def test_settings_are_one_thread_and_all_cores_asleep_and_spinning() -> None:
    assert [s.threads for s in waiting_settings(4)] == [1, 4, 4]
    assert [s.environment for s in waiting_settings(4)[1:]] == [
        SLEEPING | {"OMP_NUM_THREADS": "4"},
        SPINNING | {"OMP_NUM_THREADS": "4"},
    ]
    assert waiting_settings(1) == [Setting(threads=1)]


def test_a_program_is_measured_and_one_that_fails_is_told() -> None:
    wall, cpu, mib = run_measured([sys.executable, "-c", "x = bytearray(50 << 20); sum(range(2_000_000))"])
    assert 0 < cpu <= wall + 0.5
    assert mib > 50
    with pytest.raises(OSError, match=r"status 3: not today"):
        run_measured([sys.executable, "-c", "import sys; print('not today'); sys.exit(3)"])
