"""Times of a frame and a question on an idle machine and beside as many busy processes as it has cores, in turn.

Each way of computing (torch's threads, asleep or spinning while they wait) has a process of its own, because OpenMP
reads its variables once. They are measured one after the other in short turns, so that a change of the machine meets
all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.cli.bench_frame import QUESTIONS, benchmark_frame
from distill3d_ros.system.processes import Processes
from distill3d_ros.system.threads import SLEEPING, SPINNING, available_cores

ROUNDS = 3
STAGES = ("perceive", "ask")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A way of computing."""

    threads: int
    sleeping: bool
    """Whether waiting threads sleep."""

    @property
    def name(self) -> str:
        if self.threads == 1:
            return "1 thread"
        return f"{self.threads} threads, waiting ones {'asleep' if self.sleeping else 'spinning'}"

    @property
    def environment(self) -> dict[str, str]:
        return (SLEEPING if self.sleeping else SPINNING) | {"OMP_NUM_THREADS": str(self.threads)}


@dataclass(slots=True, kw_only=True)
class Durations:
    """Milliseconds of one stage in one setting."""

    setting: str
    stage: str
    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Quantiles, and what busy neighbours cost: their median and 95 % quantile over the idle median."""
        found = {
            f"{name}_p{q}_ms": float(np.percentile(values, q))
            for name, values in (("idle", self.idle), ("busy", self.busy))
            for q in (50, 95, 99)
        }
        median = found["idle_p50_ms"]
        found |= {f"busy_p{q}_over_idle_p50": found[f"busy_p{q}_ms"] / median for q in (50, 95)}
        return found | {"idle_count": len(self.idle), "busy_count": len(self.busy)}


def default_settings(cores: int) -> list[Setting]:
    """One thread, and as many as there are cores, asleep and spinning."""
    several = [Setting(threads=cores, sleeping=s) for s in (True, False)] if cores > 1 else []
    return [Setting(threads=1, sleeping=True), *several]


def busy_timings(
    model: Path | None,
    seconds: float,
    *,
    settings: list[Setting] | None = None,
    cores: int | None = None,
    backend: str = "torch",
) -> list[Durations]:
    """Measures each stage of each setting for about ``seconds`` idle and ``seconds`` beside ``cores`` busy processes.

    Raises:
        ValueError, OSError: the student cannot be loaded.
    """
    cores = cores or available_cores()
    settings = settings or default_settings(cores)
    results = {s: [Durations(setting=s.name, stage=stage) for stage in STAGES] for s in settings}
    with ExitStack() as stack:
        measuring = {s: stack.enter_context(_engine_process(model, s, backend)) for s in settings}
        for _ in range(ROUNDS):
            for setting, durations in results.items():
                for index, found in enumerate(_measure(measuring[setting], seconds / ROUNDS)):
                    durations[index].idle += found
            with busy_processes(cores):
                for setting, durations in results.items():
                    for index, found in enumerate(_measure(measuring[setting], seconds / ROUNDS)):
                        durations[index].busy += found
    return [d for durations in results.values() for d in durations]


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Inside, so many processes of this priority compute without a pause; they end with this one, however it ends."""
    with Processes(on_line=lambda name, line: None) as neighbours:
        for number in range(count):
            neighbours.start(f"busy {number}", [sys.executable, "-S", "-c", "while True: pass"])
        time.sleep(0.3)  # until they have started
        yield


def print_busy_table(durations: list[Durations], cores: int) -> None:
    """A row for each setting and stage."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"ms idle and beside {cores} busy processes: median, 95 %, 99 %",
        caption="last column: busy / idle median",
    )
    for column in ("", "idle", "busy", "50 %, 95 %"):
        table.add_column(column, justify="right" if column else "left")
    for d in durations:
        f = d.figures()
        times = [" ".join(f"{f[f'{when}_p{q}_ms']:6.1f}" for q in (50, 95, 99)) for when in ("idle", "busy")]
        ratios = " ".join(f"{f[f'busy_p{q}_over_idle_p50']:5.2f}" for q in (50, 95))
        table.add_row(f"{d.stage}, {d.setting}", *times, ratios)
    Console().print(table)


def busy_json(durations: list[Durations], cores: int) -> dict[str, Any]:
    """What ``--json`` writes."""
    return {
        "busy_processes": cores,
        "timings": [{"setting": d.setting, "stage": d.stage} | d.figures() for d in durations],
        "durations_ms": [asdict(d) for d in durations],
    }


# ---------------------------------------------------------------------------------------- the processes that measure


@contextmanager
def _engine_process(model: Path | None, setting: Setting, backend: str) -> Iterator[Connection]:
    """A process with an engine in one setting, which ``_measure`` asks."""
    here, there = multiprocessing.Pipe()
    before = dict(os.environ)
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, model, backend), daemon=True)
    os.environ.update(setting.environment)
    try:
        process.start()
    finally:
        os.environ.clear()
        os.environ.update(before)
    there.close()
    try:
        _received(here)
        yield here
    finally:
        here.close()
        process.join(5.0)
        process.kill()


def _measure(connection: Connection, seconds: float) -> list[list[float]]:
    """Milliseconds of every frame and every question, as in STAGES."""
    connection.send(seconds)
    return _received(connection)


def _received(connection: Connection) -> Any:
    try:
        answer = connection.recv()
    except EOFError:
        raise OSError("the process that measures ended; is there enough memory?") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve(connection: Connection, model: Path | None, backend: str) -> None:
    """Runs in the process: measures as often as it is asked, until the other end closes."""
    try:
        perceive, ask = _stages(model, backend)
        connection.send(None)
        while True:
            seconds = connection.recv()
            connection.send([_repeated(work, seconds / 2) for work in (perceive, ask)])
    except EOFError:
        pass
    except (ValueError, OSError) as error:
        connection.send(error)


def _stages(model: Path | None, backend: str) -> tuple[Any, Any]:
    from distill3d_ros.engine.engine import Engine

    engine, frame = Engine.from_pretrained(model, device="cpu", backend=backend), benchmark_frame()
    scene = engine.perceive(frame)
    engine.ask(scene, QUESTIONS[0])
    return (lambda i: engine.perceive(frame)), (lambda i: engine.ask(scene, QUESTIONS[i % len(QUESTIONS)]))


def _repeated(work: Any, seconds: float) -> list[float]:
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent) < 3:
        begin = time.perf_counter()
        work(len(spent))
        spent.append(1e3 * (time.perf_counter() - begin))
    return spent
