"""The text view of a run that another process is doing."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from distill3d_ros.system.config_loading import to_dict
from distill3d_ros.system.files import only_one
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.loop.watch import StageView, read_run, render, sparkline, watch_run

NOW = 1_700_000_000.0


def stage(folder: Path, *, steps: int = 400, minutes: float = 0.0, last: int = 100, updated: float = NOW) -> Path:
    """A step takes a tenth of a minute, the loss falls, the error falls and the accuracy rises."""
    folder.mkdir(parents=True)
    config = StageConfig(name=folder.name, kind="joint", steps=steps, minutes=minutes)
    (folder / "stage.json").write_text(json.dumps(to_dict(config)))
    rows: list[dict[str, float]] = [
        {"step": n, "total": 3 - n / 50, "text": 2 - n / 100, "lr": 1e-3, "grad_norm": 1.0, "samples_per_second": 12.5,
         "waiting_for_data": 0.02, "minutes": n / 10, "peak_rss_mib": 2048.0}
        for n in range(10, last + 1, 10)
    ]  # fmt: skip
    rows += [{"step": n, "val_seen_accuracy": n / 200, "val_absrel": 0.5 - n / 500} for n in (50, last)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 110, "to')
    os.utime(folder / "metrics.jsonl", (updated, updated))
    return folder


def text_of(stages: Sequence[StageView], now: float = NOW + 6) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(stages, now=now))
    return console.export_text()


def test_a_run_in_progress(tmp_path: Path) -> None:
    stage(tmp_path / "perception", last=400, updated=NOW - 9999)
    with only_one(stage(tmp_path / "joint")):
        stages = read_run(tmp_path)
        text = text_of(stages)
    assert [s.name for s in stages] == ["perception", "joint"]
    assert "perception: step 400 of 400 (100%), 40 min of training; no process is training" in text
    assert f"joint: step 100 of 400 (25%), 10 min of training; 30 min left, ends about {ends(30)}" in text
    assert f"(process {os.getpid()})" in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["text"][1] == "1.4500"  # the mean of 1.9, 1.8 ... 1.0
    assert rows["text"][-1] == "█▇▆▆▅▄▃▃▂▁"
    assert rows["seen_accuracy"][1:] == ["0.5000", "0.5000", "▁█"]
    assert rows["absrel"][1:] == ["0.3000", "0.3000", "█▁"]
    assert "12.5 samples/s, lr 1.0e-03, 2% of the time waiting for data, memory at most 2.0 GiB" in text


def ends(minutes: float) -> str:
    return f"{datetime.fromtimestamp(NOW) + timedelta(minutes=minutes):%a %H:%M}"


def test_a_run_planned_in_minutes_ends_with_them(tmp_path: Path) -> None:
    (view,) = read_run(stage(tmp_path / "joint", minutes=25))
    assert view.minutes_left() == pytest.approx(15)


def test_a_run_that_did_not_note_its_plan(tmp_path: Path) -> None:
    folder = stage(tmp_path / "joint")
    (folder / "stage.json").unlink()
    (view,) = read_run(tmp_path)
    assert view.minutes_left() is None
    assert "joint: step 100, 10 min of training; no process is training, last row 2 min ago" in text_of(
        [view], NOW + 120
    )


def test_without_a_terminal_it_looks_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage(tmp_path / "joint")
    watch_run(tmp_path)
    assert "joint: step 100 of 400" in capsys.readouterr().out


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no stage that has begun: no metrics\.jsonl"):
        read_run(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        read_run(tmp_path / "none")


def test_sparklines() -> None:
    assert sparkline([]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([0.0, float("nan"), 7.0]) == "▁█"
    assert sparkline([0.0, 0.0, 1.0, 1.0], width=2) == "▁█"
    assert len(sparkline(list(range(1000)))) == 40
