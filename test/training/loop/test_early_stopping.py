"""Early stopping, the best student, and going on after a kill as if nothing had happened."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from support.programs import start_module
from support.training.scored_trainer import STEPS, FollowsTheWeights, Scored, make_trainer

from distill3d_ros.training.config import StopEarlyConfig, load_config
from distill3d_ros.training.loop.curves import read_metrics
from distill3d_ros.training.loop.early_stopping import BestSoFar


def test_a_stage_ends_when_nothing_gets_better(tmp_path: Path) -> None:
    best: list[int] = []
    trainer = make_trainer(tmp_path, Scored([0.4, 0.5, 0.45, 0.6, 0.6, 0.55, 0.5]), best=best)
    assert trainer.run()
    assert trainer.step == 12  # 0.6 at step 6, then three validations without a better one
    assert best == [0, 2, 6]
    assert trainer.best.describe() == "accuracy 0.600 at step 6"
    again = make_trainer(tmp_path, Scored([]))
    assert again.finished
    assert again.run()


def test_patience_0_only_keeps_the_best(tmp_path: Path) -> None:
    best: list[int] = []
    figures = StopEarlyConfig(figure="seen_contact")
    assert make_trainer(tmp_path, Scored([0.1] * 9), best=best, stop_early=figures, steps=16).run()
    assert best == [0]


def test_errors_count_downwards() -> None:
    best = BestSoFar(StopEarlyConfig(figure="absrel", patience=2))
    assert [best.note(n, {"absrel": v, "delta1": 0.1}) for n, v in enumerate([0.3, 0.2, float("nan"), 0.25])] == [
        *(True, True),
        *(False, False),
    ]
    assert best.over


@pytest.mark.parametrize("figure", ["total", "text", "names", "loss", "accuracy_loss"])
def test_losses_do_not_tell_the_best_student(figure: str) -> None:
    with pytest.raises(ValueError, match=r"measured against geometry: accuracy, map25.*A loss, or the weighted total"):
        StopEarlyConfig(figure=figure, patience=4)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("stop_early: {figure: total, patience: 4}", "weighted total of several.*Got 'total'"),
        ("stop_early: {patience: 4}", "stop_early.patience needs stop_early.figure"),
        ("stop_early: {figure: accuracy, patience: -1}", "must not be negative. Got -1"),
        ("stop_early: {figures: accuracy}", "unknown key 'figures'; did you mean 'figure'"),
        ("best: true", "best needs stop_early.figure"),
    ],
)
def test_wrong_configurations_are_named(tmp_path: Path, stage: str, message: str) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(f"stages:\n  - {{name: p, kind: joint, {stage}}}\n")
    with pytest.raises(ValueError, match=message):
        load_config(path)


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"clean_accuracy": 0.1, "noisy_accuracy": 0.2}, "could be clean_accuracy or noisy_accuracy"),
        ({"map25": 0.1}, "not among the validation figures of this stage; there are map25"),
        ({}, "there are none, for the data have no validation split"),
    ],
)
def test_a_figure_that_a_stage_does_not_have_is_named_before_the_first_step(
    tmp_path: Path, figures: Mapping[str, float], message: str
) -> None:
    stage = Scored([])
    stage.validate = lambda student: dict(figures)  # type: ignore[method-assign]
    trainer = make_trainer(tmp_path, stage)
    with pytest.raises(ValueError, match=message):
        trainer.run()
    assert trainer.step == 0


def test_memory_and_minutes_are_logged(tmp_path: Path) -> None:
    make_trainer(tmp_path, Scored([0.1] * 9), steps=3).run()
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "total" in row]
    assert all(row["peak_rss_mib"] > 50 and row["samples_per_second"] > 0 for row in rows)
    assert [row["minutes"] for row in rows] == sorted(row["minutes"] for row in rows)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """Killed without a warning while it writes a checkpoint a step; parts of batches and patience included."""
    killed = tmp_path / "killed"
    run = start_module("support.training.scored_trainer", str(killed))
    deadline = time.monotonic() + 250
    while time.monotonic() < deadline and run.poll() is None and len(read_metrics(killed / "metrics.jsonl")) < 8:
        time.sleep(0.02)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    whole = make_trainer(tmp_path / "whole", FollowsTheWeights([]), validate_every=3)
    assert whole.run()
    second = make_trainer(killed, FollowsTheWeights([]), validate_every=3)
    assert 1 <= second.step < STEPS
    assert second.best.step >= 0
    assert second.run()
    assert (second.step, second.best.state()) == (whole.step, whole.best.state())
    for a, b in zip(whole.student.parameters(), second.student.parameters(), strict=True):
        assert torch.equal(a, b)
    learned = [[(r["step"], r.get("text"), r.get("val_seen_accuracy")) for r in read_metrics(f / "metrics.jsonl")]
               for f in (tmp_path / "whole", killed)]  # fmt: skip
    assert learned[0] == learned[1]


def test_rows_of_a_run_that_was_killed_before_its_first_checkpoint_are_taken_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "text": 99.0}\n')
    make_trainer(tmp_path, Scored([0.1] * 9), steps=2).run()
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl") if "text" in row] == [1, 2]
