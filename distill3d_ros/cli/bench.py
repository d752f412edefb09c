"""``distill3d bench``: what this machine needs for a student's work, as tables, JSON and a page."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distill3d_ros.cli.bench_frame import SEED
from distill3d_ros.cli.options import BenchOptions
from distill3d_ros.system.files import write_whole
from distill3d_ros.system.threads import available_cores


def run_benchmarks(options: BenchOptions) -> int:
    """Measures each stage for about ``options.seconds`` and prints a table; returns the exit status.

    With ``options.memory`` it measures only, for so many minutes, how a worker's memory grows while it makes rooms;
    with ``busy`` or ``start`` only what busy neighbours and a cold start cost; with ``page`` all but memory.
    """
    if not options.seconds > 0:
        raise ValueError(f"--seconds must be positive. Got {options.seconds}")
    if options.memory is not None:
        return memory_benchmark(options.memory, json_file=options.json)
    if options.busy:
        return busy_benchmark(options)
    if options.start:
        return start_benchmark(options)
    figures = {"machine": machine(), "model": "models/pico" if options.model is None else options.model.name}
    figures |= stage_benchmark(options)
    if options.page is not None:
        from distill3d_ros.cli.bench_grid import grid_benchmark
        from distill3d_ros.cli.performance_page import performance_page

        figures |= grid_benchmark(options.model, options.seconds) | _of_gpu(options.json)
        write_whole(options.page, performance_page(figures))
    _write(options.json, figures)
    return 0


def stage_benchmark(options: BenchOptions) -> dict[str, Any]:
    """Prints the table of the stages; returns its figures."""
    from rich.console import Console
    from rich.table import Table

    from distill3d_ros.cli.bench_stages import engine_timings, render_timings, ros_timings

    model, seconds = options.model, options.seconds
    console = Console()
    console.print("measuring rendering ...")
    timings = render_timings(seconds)
    console.print("measuring the student ...")
    timings += engine_timings(model, seconds, backend=options.backend, execution_provider=options.execution_provider)
    console.print("measuring the nodes ...")
    through_ros, memory_mib = ros_timings(model, seconds, backend=options.backend)
    timings += through_ros
    table = Table(title=machine())
    for column in ("stage", "median ms", "95 % ms", "99 % ms", "n"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    table.add_column("")
    for t in timings:
        times = (f"{ms:.1f}" for ms in (t.median_ms, t.p95_ms, t.p99_ms))
        table.add_row(t.stage, *times, str(t.count), t.note)
    console.print(table)
    console.print(f"peak resident memory of spatial_node: {memory_mib:.0f} MiB")
    return {"timings": [asdict(t) for t in timings], "spatial_node_peak_mib": memory_mib}


def machine() -> str:
    """Cores, architecture and GPU."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{os.cpu_count()} cores {platform.machine()}, {gpu}"


def busy_benchmark(options: BenchOptions) -> int:
    """Prints the times of a frame and a question, idle and beside busy processes; returns the exit status."""
    from distill3d_ros.cli.bench_busy import busy_json, busy_timings, print_busy_table
    from distill3d_ros.cli.bench_settings import waiting_settings

    cores = available_cores()
    settings = waiting_settings(cores, options.backend)
    durations = busy_timings(options.model, options.seconds, settings=settings, cores=cores)
    print_busy_table(durations, cores)
    _write(options.json, {"machine": machine()} | busy_json(durations, cores))
    return 0


def start_benchmark(options: BenchOptions) -> int:
    """Prints what a cold start takes; returns the exit status."""
    from distill3d_ros.cli.bench_start import node_starts, print_start_table, start_json, start_timings

    backends = list(dict.fromkeys(("torch", options.backend)))
    starts = start_timings(options.model, backends=backends)
    node_s = node_starts(options.model, backends=backends)
    print_start_table(starts, node_s)
    _write(options.json, {"machine": machine()} | start_json(starts, node_s))
    return 0


def memory_benchmark(minutes: float, *, json_file: Path | None = None) -> int:
    """Prints how the resident memory of a worker that makes training rooms changes; returns the exit status."""
    from distill3d_ros.training.data.generation.worker_memory import worker_memory
    from distill3d_ros.worlds.furniture.pack import FurniturePack

    FurniturePack.load()  # built here, if it has to be, and not while memory is watched
    log = worker_memory(minutes, seed=SEED)
    slope, error = log.growth
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        room = min(int(share * len(log.mib)), len(log.mib) - 1)
        print(f"after {room + 1:5d} rooms: {log.mib[room]:7.1f} MiB")
    print(f"growth over the second half: {slope:.0f} MiB per 1000 rooms (standard error {error:.0f})")
    _write(json_file, {"mib": log.mib, "seconds": log.seconds, "mib_per_1000_rooms": slope, "standard_error": error})
    return 0


def _of_gpu(json_file: Path | None) -> dict[str, Any]:
    """The part of an earlier file that scripts/gpu_bench.py wrote."""
    if json_file is None or not json_file.is_file():
        return {}
    earlier = json.loads(json_file.read_text(encoding="utf-8"))
    return {name: earlier[name] for name in ("gpu",) if name in earlier}


def _write(json_file: Path | None, figures: object) -> None:
    if json_file is not None:
        write_whole(json_file, json.dumps(figures, indent=1) + "\n")
