"""What busy neighbours and a cold start cost, measured at small size."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from distill3d_ros.cli.bench_busy import Durations, Setting, busy_processes, busy_timings, default_settings
from distill3d_ros.cli.bench_start import run_measured
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
    found = busy_timings(folder, 0.3, settings=[Setting(threads=1, sleeping=True)], cores=1)
    assert dict(os.environ) == environment
    assert [(d.stage, d.setting) for d in found] == [("perceive", "1 thread"), ("ask", "1 thread")]
    for durations in found:
        figures = durations.figures()
        assert min(figures["idle_count"], figures["busy_count"]) >= 9, "three a turn at least"
        assert 0 < figures["idle_p50_ms"] <= figures["idle_p95_ms"] <= figures["idle_p99_ms"]


def test_ratios_are_to_the_idle_median() -> None:
    figures = Durations(setting="", stage="ask", idle=[10.0] * 5, busy=[12.0] * 99 + [50.0]).figures()
    assert figures["busy_p50_over_idle_p50"] == pytest.approx(1.2)
    assert figures["busy_p99_ms"] > 12.0


def test_a_student_that_cannot_be_loaded_is_named_here(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no student in .*config\.json is missing"):
        busy_timings(tmp_path, 0.1, settings=[Setting(threads=1, sleeping=True)], cores=1)


def test_settings_are_one_thread_and_all_cores_asleep_and_spinning() -> None:
    assert [s.threads for s in default_settings(4)] == [1, 4, 4]
    assert [s.environment for s in default_settings(4)[1:]] == [
        SLEEPING | {"OMP_NUM_THREADS": "4"},
        SPINNING | {"OMP_NUM_THREADS": "4"},
    ]
    assert default_settings(1) == [Setting(threads=1, sleeping=True)]


def test_a_program_is_measured_and_one_that_fails_is_told() -> None:
    wall, cpu, mib = run_measured([sys.executable, "-c", "x = bytearray(50 << 20); sum(range(2_000_000))"])
    assert 0 < cpu <= wall + 0.5
    assert mib > 50
    with pytest.raises(OSError, match=r"status 3: not today"):
        run_measured([sys.executable, "-c", "import sys; print('not today'); sys.exit(3)"])
