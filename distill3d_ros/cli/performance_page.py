"""docs/performance.md from the figures of ``distill3d bench --page``; parts that were not measured are left out."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from distill3d_ros.cli.bench_settings import CAMERAS

HEAD = """# Performance

Written by `make bench`, not by hand; `docs/results/bench.json` has the figures. Times are in milliseconds: the median,
the 95 % and the 99 % quantile.
"""


def performance_page(figures: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    lines = [HEAD, f"Measured with `{figures['model']}` on {figures['machine']}.", "", *_stages(figures)]
    if "grid" in figures:
        lines += [*_grid(figures["grid"]), *_cameras(figures["grid"])]
    if "starts" in figures:
        lines += _starts(figures)
    if "gpu" in figures:
        lines += _gpu(figures["gpu"])
    return "\n".join(lines).rstrip() + "\n"


def _stages(figures: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Stages", "", "| | 50 % | 95 % | 99 % | n | |", "|---|---|---|---|---|---|")
    for t in figures["timings"]:
        times = (t["median_ms"], t["p95_ms"], t.get("p99_ms"))
        cells = [t["stage"], *("" if ms is None else f"{ms:.1f}" for ms in times), str(t["count"]), t["note"]]
        yield _row(cells)
    yield ""
    yield f"`spatial_node` held {figures['spatial_node_peak_mib']:.0f} MiB of memory at most."
    yield ""


def _grid(grid: Mapping[str, Any]) -> Iterator[str]:
    count, threads = grid["busy_processes"], grid["reference_threads"]
    yield from (
        "## Idle and busy",
        "",
        f"Idle, and beside {count} processes that compute without a pause. *To torch*: the idle median over that of "
        f"torch with {_threads(threads)} on the same picture, by which machines compare. *Busy/idle*: the busy median "
        "and 95 % quantile over the idle median. *MiB*: resident memory of the whole process at most.",
        "",
        "| picture | stage | backend | threads | idle | busy | to torch | busy/idle | MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    )
    for row in grid["rows"]:
        if row["cameras"] > 1:
            continue
        idle, busy = (" / ".join(f"{row[f'{when}_p{q}_ms']:.1f}" for q in (50, 95, 99)) for when in ("idle", "busy"))
        cost = " / ".join(f"{row[f'busy_p{q}_over_idle_p50']:.2f}" for q in (50, 95))
        yield _row([
            _size(row), row["stage"], row["backend"], str(row["threads"]), idle, busy,
            f"{row['idle_over_reference']:.2f}", cost, f"{row['peak_mib']:.0f}",
        ])  # fmt: skip
    yield ""


def _cameras(grid: Mapping[str, Any]) -> Iterator[str]:
    yield from (
        f"## {CAMERAS} cameras in one process",
        "",
        "Each camera has a student and a thread of its own. *Share*: frames a second of all together over those of one "
        "camera alone.",
        "",
        "| picture | backend | threads | frames/s of one | of all | share | busy of all | MiB |",
        "|---|---|---|---|---|---|---|---|",
    )
    rows = grid["rows"]
    for row in rows:
        if row["cameras"] == 1:
            continue
        one = next(r for r in rows if r["cameras"] == 1 and all(r[k] == row[k] for k in _SAME))
        yield _row([
            _size(row), row["backend"], str(row["threads"]), _rate(one, "idle"), _rate(row, "idle"),
            f"{one['idle_p50_ms'] / row['idle_p50_ms']:.2f}", _rate(row, "busy"), f"{row['peak_mib']:.0f}",
        ])  # fmt: skip
    yield ""


_SAME = ("picture", "backend", "threads", "stage", "sleeping")


def _starts(figures: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Cold start", "", "| program | seconds | processor seconds | peak MiB |", "|---|---|---|---|")
    for start in figures["starts"]:
        yield _row([start["program"], f"{start['wall_s']:.2f}", f"{start['cpu_s']:.2f}", f"{start['peak_mib']:.0f}"])
    for backend, seconds in figures["spatial_node_first_answer_s"].items():
        yield _row([f"`spatial_node`, {backend}: start to first answer", f"{statistics.median(seconds):.2f}", "", ""])
    yield ""


def _gpu(gpu: Mapping[str, Any]) -> Iterator[str]:
    yield from (
        f"## {gpu['device']}",
        "",
        f"By `python scripts/gpu_bench.py` with torch {gpu['torch']}, random weights, under autocast: from a picture "
        f"of 640 x 480 to an answer of {gpu['answer_tokens']} tokens.",
        "",
        "| network | million parameters | type | computed | 50 % | 95 % | n | GiB |",
        "|---|---|---|---|---|---|---|---|",
    )
    for row in gpu["rows"]:
        if "error" in row:
            yield _row([row["network"], "", row["dtype"], row["way"], f"failed: {row['error']}", "", "", ""])
            continue
        gib = "" if row["peak_gib"] is None else f"{row['peak_gib']:.1f}"
        millions, times = f"{row['parameters'] / 1e6:.1f}", (f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}")
        yield _row([row["network"], millions, row["dtype"], row["way"], *times, str(row["count"]), gib])
    yield ""


def _size(row: Mapping[str, Any]) -> str:
    width, height = row["picture"]
    return f"{width} x {height}"


def _rate(row: Mapping[str, Any], when: str) -> str:
    return f"{1e3 / row[f'{when}_p50_ms']:.1f}"


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
