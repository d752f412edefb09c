"""Cold starts: ``distill3d ask`` beside a bare ``import torch`` in turn; the spatial node up to its first answer."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Medians over the repetitions of one program."""

    program: str
    wall_s: float
    cpu_s: float
    """Of all its threads, user and system."""
    peak_mib: float
    count: int


def start_timings(model: Path | None, *, backends: Sequence[str] = ("torch",), repeats: int = REPEATS) -> list[Start]:
    """Each program, started ``repeats`` times in turn with the others; a first time of each does not count.

    Args:
        backends: what computes in ``distill3d ask``; the student has the files that they need.

    Raises:
        OSError: a program fails; the message has what it said.
    """
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "room.png"
        cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8))
        chosen = [] if model is None else ["--model", str(model)]
        ask = ["ask", str(picture), "Is there a chair?", "--fov", "60", *chosen]
        programs: dict[str, Sequence[str]] = {
            "python, empty": ["-c", "pass"],
            "import torch": ["-c", "import torch"],
        }
        programs |= {f"distill3d ask, {b}": ["-m", "distill3d_ros.cli", *ask, "--backend", b] for b in backends}
        spent: dict[str, list[tuple[float, float, float]]] = {name: [] for name in programs}
        for number in range(repeats + 1):
            for name, arguments in programs.items():
                found = run_measured([sys.executable, *arguments])
                if number:
                    spent[name].append(found)
    return [
        Start(program=name, count=repeats, **dict(zip(("wall_s", "cpu_s", "peak_mib"), _medians(rows), strict=True)))
        for name, rows in spent.items()
    ]


def _medians(rows: list[tuple[float, float, float]]) -> list[float]:
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def run_measured(command: Sequence[str]) -> tuple[float, float, float]:
    """Seconds, seconds of processor time and peak MiB of a command.

    Raises:
        OSError: it ends with another status than 0.
    """
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        child = subprocess.Popen(list(command), stdout=output, stderr=output)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)  # subprocess must not wait for it again
        if child.returncode != 0:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise OSError(f"{' '.join(command)} ended with status {child.returncode}: {said[0]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def node_starts(
    model: Path | None, *, backends: Sequence[str] = ("torch",), repeats: int = 3
) -> dict[str, list[float]]:
    """Seconds from the start of spatial_node's process to its first answer, its camera (640x480) running already."""
    from distill3d_ros.cli.bench_frame import QUESTIONS, SEED
    from distill3d_ros.demo.robot import SimulatedRobot, own_domain

    own_domain()
    found = {}
    for backend in backends:
        with SimulatedRobot(model=model, backend=backend) as robot:
            robot.drive(seed=SEED, room_type="living room", split="test")
            robot.wait_for_round(60.0)
            found[backend] = [robot.first_answer_s(QUESTIONS[0]) for _ in range(repeats)]
    return found


def print_start_table(starts: list[Start], node_s: Mapping[str, list[float]]) -> None:
    """A row for each program, and the node's seconds below."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="cold start")
    table.add_column("program")
    for column in ("seconds", "processor seconds", "peak MiB", "n"):
        table.add_column(column, justify="right")
    for s in starts:
        table.add_row(s.program, f"{s.wall_s:.2f}", f"{s.cpu_s:.2f}", f"{s.peak_mib:.0f}", str(s.count))
    Console().print(table)
    for backend, seconds in node_s.items():
        each = ", ".join(f"{s:.2f}" for s in seconds)
        print(f"spatial_node ({backend}), from the start of its process to the first answer: {each} s")


def start_json(starts: list[Start], node_s: Mapping[str, list[float]]) -> dict[str, Any]:
    """What ``--json`` writes."""
    return {"starts": [asdict(s) for s in starts], "spatial_node_first_answer_s": dict(node_s)}
