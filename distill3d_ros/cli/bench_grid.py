"""Backends, threads, pictures and cameras compared, idle and busy, and cold starts: the larger part of the page."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from distill3d_ros.cli.bench_busy import busy_timings
from distill3d_ros.cli.bench_settings import PICTURES, Durations, Setting, grid_settings
from distill3d_ros.cli.bench_start import node_starts, start_json, start_timings
from distill3d_ros.system.threads import available_cores


def grid_benchmark(model: Path | None, seconds: float) -> dict[str, Any]:
    """Figures of every setting, about ``seconds`` of each idle and as long busy, and of cold starts."""
    cores = available_cores()
    with student_with_onnx(model) as (folder, backends):
        durations: list[Durations] = []
        # Settings of one picture run at the same time, in turn with each other; all of them would take much memory.
        for (picture, cameras), settings in groupby(_by_picture(grid_settings(cores, backends)), key=_group):
            several = f", {cameras} cameras" if cameras > 1 else ""
            print(f"measuring pictures of {picture[0]}x{picture[1]}{several} ...", flush=True)
            durations += busy_timings(folder, seconds, settings=list(settings), cores=cores)
        print("measuring cold starts ...", flush=True)
        starts = start_json(start_timings(folder, backends=backends), node_starts(folder, backends=backends))
    return {"grid": grid_json(durations, cores)} | starts


def grid_json(durations: list[Durations], cores: int) -> dict[str, Any]:
    """The figures of each setting, with the ratio to torch, all cores, idle; machines compare by it."""
    reference = {
        (d.setting.picture, d.stage): d.figures()["idle_p50_ms"]
        for d in durations
        if (d.setting.backend, d.setting.threads, d.setting.cameras) == ("torch", cores, 1)
    }
    rows = []
    for d in durations:
        figures = d.figures()
        ratio = figures["idle_p50_ms"] / reference[d.setting.picture, d.stage]
        rows.append(asdict(d.setting) | {"stage": d.stage} | figures | {"idle_over_reference": ratio})
    return {"busy_processes": cores, "reference_threads": cores, "rows": rows}


@contextmanager
def student_with_onnx(model: Path | None) -> Iterator[tuple[Path, list[str]]]:
    """Inside: a copy of the student with ONNX files for the pictures, and the backends that can be measured."""
    from distill3d_ros.engine.engine import packaged_model

    folder = packaged_model() if model is None else model
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime")):
        print("without ONNX Runtime: pip install -r requirements/onnx.txt")
        yield folder, ["torch"]
        return
    from distill3d_ros.student.onnx_export import export_onnx

    with tempfile.TemporaryDirectory(prefix="distill3d_") as made:
        copy = Path(made) / folder.name
        shutil.copytree(folder, copy)
        print("writing the student as ONNX ...", flush=True)
        export_onnx(copy, PICTURES)
        yield copy, ["torch", "onnxruntime"]


def _by_picture(settings: list[Setting]) -> list[Setting]:
    return sorted(settings, key=_group)


def _group(setting: Setting) -> tuple[tuple[int, int], int]:
    return setting.picture, setting.cameras
