"""The stages of a robot's work, measured one by one: rendering, the student, the nodes."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distill3d_ros.cli.bench_frame import QUESTIONS, SEED, benchmark_frame
from distill3d_ros.demo.robot import SimulatedRobot, own_domain
from distill3d_ros.system.threads import available_cores

if TYPE_CHECKING:
    from distill3d_ros.engine import Engine
    from distill3d_ros.scene.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations of one stage."""

    stage: str
    median_ms: float
    p95_ms: float
    p99_ms: float
    count: int
    note: str = ""


def repeat(stage: str, work: Callable[[int], object], seconds: float, *, note: str = "") -> Timing:
    """Time of ``work(i)``, called again and again for about ``seconds``; the first call does not count."""
    work(0)
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent) < 3:
        begin = time.perf_counter()
        work(len(spent) + 1)
        spent.append(1e3 * (time.perf_counter() - begin))
    return timing(stage, spent, note=note)


def timing(stage: str, spent_ms: list[float], *, note: str = "") -> Timing:
    p95, p99 = (float(np.percentile(spent_ms, q)) for q in (95, 99))
    median = statistics.median(spent_ms)
    return Timing(stage=stage, median_ms=median, p95_ms=p95, p99_ms=p99, count=len(spent_ms), note=note)


# ------------------------------------------------------------------------------------------------------- rendering


def render_timings(seconds: float) -> list[Timing]:
    """A training view of a room, in one process and in one a core."""
    from distill3d_ros.worlds.furniture.pack import FurniturePack

    FurniturePack.load()  # built here, if it has to be, and not in every process at once
    alone = render_for(seconds)
    cores = available_cores()
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        together = [t for own in pool.map(render_for, [seconds] * cores) for t in own]
    an_hour = cores * 3600e3 / (sum(together) / len(together))
    return [
        timing("render 224x224, one process", alone),
        timing(f"render 224x224, {cores} processes", together, note=f"{an_hour / 1e3:.0f} k frames an hour"),
    ]


def render_for(seconds: float) -> list[float]:
    """Milliseconds of each frame (picture, depth, ids, boxes) over about ``seconds``."""
    from distill3d_ros.worlds.cameras import sample_cameras
    from distill3d_ros.worlds.contacts import contact_truth
    from distill3d_ros.worlds.furniture.pack import FurniturePack
    from distill3d_ros.worlds.layout.layout import make_room
    from distill3d_ros.worlds.rendering.factory import make_renderer
    from distill3d_ros.worlds.rendering.render_view import render_frame

    room = make_room(FurniturePack.load(), seed=SEED, room_type="living room", split="train")
    truth, renderer = contact_truth(room), make_renderer()
    renderer.set_room(room)
    cameras = sample_cameras(room, np.random.default_rng(SEED), 8, renderer=renderer)
    render_frame(renderer, room, truth, cameras[0])
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        render_frame(renderer, room, truth, cameras[len(spent) % len(cameras)])
        spent.append(1e3 * (time.perf_counter() - begin))
    return spent


# ------------------------------------------------------------------------------------------------------ the student


def engine_timings(
    model: Path | None, seconds: float, *, backend: str = "torch", execution_provider: str = "cpu"
) -> list[Timing]:
    """The student without ROS."""
    from distill3d_ros.engine.engine import Engine

    engine = Engine.from_pretrained(model, backend=backend, execution_provider=execution_provider)
    frame, note = benchmark_frame(), f"{engine.device_name}, {backend}"
    scene = engine.perceive(frame)
    return [
        repeat("perceive, 640x480 image", lambda i: engine.perceive(frame), seconds, note=note),
        timing("ask, first question about a scene", first_questions(engine, frame, seconds)),
        repeat("ask", lambda i: engine.ask(scene, QUESTIONS[i % len(QUESTIONS)]), seconds),
    ]


def first_questions(engine: Engine, frame: Frame, seconds: float) -> list[float]:
    """Milliseconds of the first question about a scene, for which the language model reads what was perceived."""
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent) < 3:
        scene = engine.perceive(frame)
        begin = time.perf_counter()
        engine.ask(scene, QUESTIONS[len(spent) % len(QUESTIONS)])
        spent.append(1e3 * (time.perf_counter() - begin))
    return spent


# -------------------------------------------------------------------------------------------------------- the nodes


def ros_timings(model: Path | None, seconds: float, *, backend: str = "torch") -> tuple[list[Timing], float]:
    """The service, and how often a scene comes, with the camera playing 640x480 at 10 Hz on the same machine.

    Returns the timings, and the MiB of memory that the spatial node held at most.
    """
    own_domain()
    with SimulatedRobot(model=model, backend=backend) as robot:
        robot.drive(seed=SEED, room_type="living room", split="test")
        robot.wait_for_round(60.0)
        with recorded(robot) as periods:
            rate = robot.perception_rate(seconds)
        asked = repeat(
            "~/ask, round trip",
            lambda i: robot.client.ask(QUESTIONS[i % len(QUESTIONS)], timeout_s=20.0),
            seconds,
            note="while it perceives",
        )
        memory_mib = robot.peak_memory_mib()
    if not periods:
        raise ValueError(f"no scene in {seconds} s: choose more --seconds")
    return [timing("scene to scene, through ROS", periods, note=f"{rate:.1f} Hz"), asked], memory_mib


@contextlib.contextmanager
def recorded(robot: SimulatedRobot) -> Iterator[list[float]]:
    """Milliseconds between the scenes that come while the block runs, filled in at its end."""
    periods: list[float] = []
    first = len(robot.client.perceived)
    yield periods
    times = robot.client.perceived[first:]
    periods += [1e3 * (b - a) for a, b in itertools.pairwise(times)]
