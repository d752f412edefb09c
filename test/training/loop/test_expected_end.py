"""The expected end of a run, in the trainer's log line and by itself."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
import torch
from support.training.tiny_trainer import GrowingKeys, TinyStage, TinyStudent

from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.loop.batches import Sampler
from distill3d_ros.training.loop.expected_end import describe_end, minutes_left
from distill3d_ros.training.loop.trainer import Trainer


def test_a_run_ends_with_its_steps_or_with_its_minutes_whichever_come_first() -> None:
    assert minutes_left(step=100, steps=400, minutes_per_step=0.1) == pytest.approx(30)
    assert minutes_left(step=100, steps=400, minutes_per_step=0.1, minutes=10, most_minutes=25) == pytest.approx(15)
    assert minutes_left(step=100, steps=400, minutes_per_step=0.1, minutes=10, most_minutes=600) == pytest.approx(30)
    assert minutes_left(step=100, steps=400, minutes_per_step=0.1, minutes=26, most_minutes=25) == 0


def test_the_end_is_told_as_a_time_of_day() -> None:
    monday = datetime(2026, 3, 2, 23, 30)
    assert describe_end(12.4, monday) == "12 min left, ends about Mon 23:42"
    assert describe_end(125, monday) == "2 h 05 min left, ends about Tue 01:35"


@pytest.mark.parametrize(("minutes", "end"), [(0.0, "0 min left"), (90.0, r"1 h \d\d min left")])
def test_the_log_line_tells_the_end_until_the_last_step(tmp_path: Path, minutes: float, end: str) -> None:
    steps = 3 if not minutes else 10_000_000  # with so many, the minutes come first
    lines: list[str] = []
    config = StageConfig(
        name="tiny", kind="reasoning", steps=steps, minutes=minutes, batch_size=5, precision="fp32", log_every=1
    )

    def report(line: str) -> None:
        lines.append(line)
        if len(lines) == 4:
            trainer._stop.set()

    sampler = Sampler(GrowingKeys(13), config.batch_size, 1)
    device = torch.device("cpu")
    trainer = Trainer(config, TinyStudent(), TinyStage(), sampler, tmp_path, seed=1, device=device, report=report)
    trainer.run()
    logged = [line for line in lines if re.match(r"tiny \d+/", line)]
    assert re.search(rf"  {end}, ends about \w{{3}} \d\d:\d\d$", logged[0])
    assert (" left" in logged[2]) == (minutes > 0), "after the last step nothing is left"
