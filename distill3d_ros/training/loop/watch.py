"""A training run as text, while another process is doing it: losses, validation figures, speed, expected end."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from distill3d_ros.training.config import LOWER_IS_BETTER
from distill3d_ros.training.loop.curves import HIDDEN, METRICS, PLAN, read_metrics

RECENT = 50
"""Rows from which the present speed and the present losses are taken."""
WIDTH = 40
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """What the files of a stage's folder say."""

    name: str
    rows: list[dict[str, float]]
    steps: int | None
    """Planned; None in runs that did not note their plan."""
    minutes: float
    """Planned; 0 is no limit."""
    updated: float
    """When the last row was written, seconds since the epoch."""
    process: int | None
    """Number of the process that is training, None if none is."""

    @property
    def step(self) -> int:
        return int(self.rows[-1]["step"]) if self.rows else 0

    def minutes_left(self) -> float | None:
        """At the speed of the last rows; None where it cannot be told."""
        logged = [row for row in self.rows if "minutes" in row][-RECENT:]
        if self.steps is None or len(logged) < 2 or logged[-1]["step"] <= logged[0]["step"]:
            return None
        first, last = logged[0], logged[-1]
        left = (self.steps - self.step) * (last["minutes"] - first["minutes"]) / (last["step"] - first["step"])
        return max(0.0, min(left, self.minutes - last["minutes"]) if self.minutes else left)


def read_run(run: Path) -> list[StageView]:
    """The stages of a run that have begun, the one that was last written to at the end.

    Args:
        run: folder of a run, or of one of its stages.

    Raises:
        ValueError: nothing was trained there.
    """
    folders = [run] if (run / METRICS).is_file() else [file.parent for file in run.glob(f"*/{METRICS}")]
    if not folders:
        there = "has no stage that has begun" if run.is_dir() else "does not exist"
        raise ValueError(f"{run} {there}: no {METRICS} in it. Name the folder that `distill3d train --out` was given")
    return sorted(map(_read_stage, folders), key=lambda stage: stage.updated)


def _read_stage(folder: Path) -> StageView:
    plan = json.loads((folder / PLAN).read_text()) if (folder / PLAN).is_file() else {}
    return StageView(
        name=folder.name,
        rows=read_metrics(folder / METRICS),
        steps=plan.get("steps"),
        minutes=plan.get("minutes", 0.0),
        updated=(folder / METRICS).stat().st_mtime,
        process=_training_process(folder / "lock"),
    )


def _training_process(lock: Path) -> int | None:
    """Who holds the folder. The lock itself is not tried: that could get in the way of a run that is starting."""
    text = lock.read_text().strip() if lock.is_file() else ""
    if not text.isdigit():
        return None
    try:
        os.kill(int(text), 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # another user's
        pass
    return int(text)


def watch_run(run: Path, *, every: float = 5.0, once: bool = False) -> None:
    """Shows a run until no process trains in it any more; once where the output is no terminal."""
    console = Console()
    if once or not sys.stdout.isatty():
        console.print(render(read_run(run), now=time.time()))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            stages = read_run(run)
            live.update(render(stages, now=time.time()), refresh=True)
            if all(stage.process is None for stage in stages):
                return
            time.sleep(every)


def render(stages: Sequence[StageView], *, now: float) -> RenderableType:
    """The finished stages in a line each, the last one with its curves."""
    *before, last = stages
    parts: list[RenderableType] = [Text(_headline(stage, now)) for stage in before]
    parts.append(Text(_headline(last, now), style="bold"))
    trained = [row for row in last.rows if "total" in row]
    validated = [row for row in last.rows if any(name.startswith("val_") for name in row)]
    if trained:
        names = [name for name in dict.fromkeys(n for row in trained for n in row) if name not in HIDDEN]
        parts += [_curves("loss", names, trained, "now"), Text(_speed(trained[-1]))]
    if validated:
        names = [name for name in dict.fromkeys(n for row in validated for n in row) if name.startswith("val_")]
        parts.append(_curves("validation", names, validated, "last"))
    return Group(*parts)


def _headline(stage: StageView, now: float) -> str:
    share = f" of {stage.steps} ({stage.step / stage.steps:.0%})" if stage.steps else ""
    text = f"{stage.name}: step {stage.step}{share}"
    minutes = next((row["minutes"] for row in reversed(stage.rows) if "minutes" in row), None)
    if minutes is not None:
        text += f", {_duration(minutes)} of training"
    if stage.process is None:
        return text + f"; no process is training, last row {_duration((now - stage.updated) / 60)} ago"
    left = stage.minutes_left()
    if left is not None:
        end = datetime.fromtimestamp(stage.updated) + timedelta(minutes=left)
        text += f"; {_duration(left)} left, ends about {end:%a %H:%M}"
    return text + f" (process {stage.process})"


def _curves(title: str, names: Sequence[str], rows: Sequence[Mapping[str, float]], latest: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for heading in (title, latest, "best", ""):
        table.add_column(heading, justify="right" if heading in (latest, "best") else "left")
    for name in names:
        values = [row[name] for row in rows if name in row]
        is_figure = name.startswith("val_")
        recent = values[-1:] if is_figure else values[-RECENT:]
        best = max if is_figure and not name.endswith(LOWER_IS_BETTER) else min
        cells = (f"{sum(recent) / len(recent):.4f}", f"{best(values):.4f}" if is_figure else "")
        table.add_row(name.removeprefix("val_"), *cells, sparkline(values))
    return table


def sparkline(values: Sequence[float], width: int = WIDTH) -> str:
    """The course of some values in at most ``width`` characters, each the mean of its part, from lowest to highest."""
    known = [v for v in values if math.isfinite(v)]
    count = min(width, len(known))
    means = []
    for n in range(count):
        part = known[n * len(known) // count : (n + 1) * len(known) // count]
        means.append(sum(part) / len(part))
    if not means:
        return ""
    low, high = min(means), max(means)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((m - low) / (high - low) * steps) if high > low else 0] for m in means)


def _speed(row: Mapping[str, float]) -> str:
    parts = [f"{row['samples_per_second']:.1f} samples/s", f"lr {row['lr']:.1e}"]
    parts.append(f"{row['waiting_for_data']:.0%} of the time waiting for data")
    for name, where in (("peak_rss_mib", "memory"), ("peak_gpu_mib", "GPU memory")):
        if name in row:
            parts.append(f"{where} at most {row[name] / 1024:.1f} GiB")
    return ", ".join(parts)


def _duration(minutes: float) -> str:
    """ "2 h 05 min"."""
    whole = round(max(0.0, minutes))
    return f"{whole // 60} h {whole % 60:02d} min" if whole >= 60 else f"{whole} min"
