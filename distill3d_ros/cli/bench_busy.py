"""Times of a frame and a question on an idle machine and beside as many busy processes as it has cores, in turn.

Each way of computing has a process of its own, because OpenMP reads its variables once. They are measured one after the
other in short turns, so that a change of the machine meets all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill3d_ros.cli.bench_frame import QUESTIONS, benchmark_frame
from distill3d_ros.cli.bench_settings import Durations, Setting
from distill3d_ros.system.processes import Processes

if TYPE_CHECKING:
    from distill3d_ros.engine.engine import Engine
    from distill3d_ros.scene.frame import Frame

ROUNDS = 3


def busy_timings(model: Path | None, seconds: float, *, settings: Sequence[Setting], cores: int) -> list[Durations]:
    """Measures each stage of each setting for about ``seconds`` idle and ``seconds`` beside ``cores`` busy processes.

    Raises:
        ValueError, OSError: the student cannot be loaded.
    """
    results = {s: [Durations(setting=s, stage=stage) for stage in s.stages] for s in settings}
    with ExitStack() as stack:
        measuring = {s: stack.enter_context(_engine_process(model, s)) for s in settings}
        for _ in range(ROUNDS):
            for setting, durations in results.items():
                for each, found in zip(durations, _measure(measuring[setting], seconds / ROUNDS), strict=True):
                    each.idle += found
            with busy_processes(cores):
                for setting, durations in results.items():
                    for each, found in zip(durations, _measure(measuring[setting], seconds / ROUNDS), strict=True):
                        each.busy += found
        for setting, durations in results.items():
            peak_mib = _peak_mib(measuring[setting])
            for each in durations:
                each.peak_mib = peak_mib
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
        table.add_row(f"{d.stage}, {d.setting.name}", *times, ratios)
    Console().print(table)


def busy_json(durations: list[Durations], cores: int) -> dict[str, Any]:
    """What ``--json`` writes."""
    return {
        "busy_processes": cores,
        "timings": [asdict(d.setting) | {"stage": d.stage} | d.figures() for d in durations],
    }


# ---------------------------------------------------------------------------------------- the processes that measure


@contextmanager
def _engine_process(model: Path | None, setting: Setting) -> Iterator[Connection]:
    """A process with engines in one setting, which ``_measure`` asks."""
    here, there = multiprocessing.Pipe()
    before = dict(os.environ)
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, model, setting), daemon=True)
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
    """Milliseconds of the setting's stages."""
    connection.send(seconds)
    return _received(connection)


def _peak_mib(connection: Connection) -> float:
    connection.send(None)
    return _received(connection)


def _received(connection: Connection) -> Any:
    try:
        answer = connection.recv()
    except EOFError:
        raise OSError("the process that measures ended; is there enough memory?") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve(connection: Connection, model: Path | None, setting: Setting) -> None:
    """Runs in the process: measures as often as it is asked, until the other end closes."""
    try:
        stages = _several_cameras(model, setting) if setting.cameras > 1 else _one_camera(model, setting)
        connection.send(None)
        while True:
            seconds = connection.recv()
            if seconds is None:
                connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            else:
                connection.send([_repeated(stage, seconds / len(stages)) for stage in stages])
    except EOFError:
        pass
    except (ValueError, OSError) as error:
        connection.send(error)


def _one_camera(model: Path | None, setting: Setting) -> list[Callable[[int], float]]:
    """The stages as functions that return milliseconds."""
    engine, frame = _engine(model, setting), _frame(setting)

    def first(i: int) -> float:
        scene = engine.perceive(frame)
        return _milliseconds(lambda: engine.ask(scene, QUESTIONS[i % len(QUESTIONS)]))

    scene = engine.perceive(frame)
    engine.ask(scene, QUESTIONS[0])
    return [
        lambda i: _milliseconds(lambda: engine.perceive(frame)),
        first,
        lambda i: _milliseconds(lambda: engine.ask(scene, QUESTIONS[i % len(QUESTIONS)])),
    ]


def _several_cameras(model: Path | None, setting: Setting) -> list[Callable[[int], float]]:
    """Milliseconds that each frame takes while all cameras' frames are perceived at once."""
    engines, frame = [_engine(model, setting) for _ in range(setting.cameras)], _frame(setting)
    pool = ThreadPoolExecutor(setting.cameras)

    def perceive(i: int) -> float:
        return _milliseconds(lambda: list(pool.map(lambda engine: engine.perceive(frame), engines))) / len(engines)

    perceive(0)
    return [perceive]


def _engine(model: Path | None, setting: Setting) -> Engine:
    from distill3d_ros.engine.engine import Engine

    return Engine.from_pretrained(model, device="cpu", backend=setting.backend, picture_size=setting.picture)


def _frame(setting: Setting) -> Frame:
    width, height = setting.picture
    return benchmark_frame(width=width, height=height)


def _milliseconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begin)


def _repeated(stage: Callable[[int], float], seconds: float) -> list[float]:
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent) < 3:
        spent.append(stage(len(spent)))
    return spent
