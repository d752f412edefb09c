"""The training loop: resuming, stopping, bad configurations, bad checkpoints. The student is tiny and blind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from support.training.tiny_trainer import GrowingKeys, TinyStage, TinyStudent, build_batch

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.system.files import only_writer, temporary_path
from distill3d_ros.training.config import StageConfig, load_config
from distill3d_ros.training.loop.batches import Batches, Sampler
from distill3d_ros.training.loop.checkpointing import LATEST, PREVIOUS, load_checkpoint, save_checkpoint
from distill3d_ros.training.loop.curves import read_metrics
from distill3d_ros.training.loop.optimization import learning_rate, trained_parameters
from distill3d_ros.training.loop.trainer import Trainer, TrainingDivergedError
from distill3d_ros.training.start.initial_student import student_settings


def make_trainer(folder: Path, stage: TinyStage | None = None, **changes: Any) -> Trainer:
    settings: dict[str, Any] = {
        "name": "tiny",
        "kind": "reasoning",
        "steps": 12,
        "batch_size": 5,
        "lr": 0.01,
        "warmup_steps": 2,
        "precision": "fp32",
        "weighting": "uncertainty",
        "log_every": 1,
        "validate_every": 100,
    }
    config = StageConfig(**{**settings, **changes})
    sampler = Sampler(GrowingKeys(13), config.batch_size, 1)
    return Trainer(
        config,
        TinyStudent(),
        stage or TinyStage(),
        sampler,
        folder,
        seed=1,
        device=torch.device("cpu"),
        report=lambda _: None,
    )


def losses_of(folder: Path) -> list[float]:
    return [row["text"] for row in read_metrics(folder / "metrics.jsonl") if "text" in row]


def test_a_resumed_run_is_the_same_run_to_the_bit(tmp_path: Path) -> None:
    whole = make_trainer(tmp_path / "whole")
    assert whole.run()
    first = make_trainer(tmp_path / "parts")
    original = first._update

    def stop_after_five(batch: Any, keys: list[str]) -> dict[str, float]:
        row = original(batch, keys)
        if first.step == 4:
            first._stop.set()
        return row

    first._update = stop_after_five  # type: ignore[method-assign]
    assert not first.run()
    assert first.step == 5
    second = make_trainer(tmp_path / "parts")
    assert second.step == 5
    assert second.run()
    assert losses_of(tmp_path / "whole") == losses_of(tmp_path / "parts")
    for a, b in zip(whole.student.parameters(), second.student.parameters(), strict=True):
        assert torch.equal(a, b)
    for name in whole.average.average:
        assert torch.equal(whole.average.average[name], second.average.average[name])
    assert torch.equal(whole.weighting.s["text"], second.weighting.s["text"])
    assert (tmp_path / "whole" / "losses.png").stat().st_size > 1000


def test_a_loss_that_is_not_finite_stops_at_the_last_good_checkpoint(tmp_path: Path) -> None:
    make_trainer(tmp_path, steps=4).run()
    good = (tmp_path / LATEST).read_bytes()
    stage = TinyStage()
    stage.poison_at = 2
    trainer = make_trainer(tmp_path, stage, steps=9)
    with pytest.raises(TrainingDivergedError, match=r"losses text are not finite at step 5, samples s\d+, s\d+"):
        trainer.run()
    assert (tmp_path / LATEST).read_bytes() == good
    assert load_checkpoint(tmp_path)["step"] == 4


def test_the_time_limit_stops_cleanly(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, max_minutes=1e-9)
    assert not trainer.run()
    assert trainer.step == 1
    assert load_checkpoint(tmp_path)["step"] == 1


def test_a_run_does_not_go_on_with_other_settings_unless_it_is_told_to(tmp_path: Path) -> None:
    assert make_trainer(tmp_path, steps=2).run()
    with pytest.raises(ValueError, match=r"'tiny' was begun .*: lr was 0\.01 and is now 0\.5\. .*may_change=true"):
        make_trainer(tmp_path, steps=4, lr=0.5)
    with pytest.raises(ValueError, match="batch_size was 5 and is now 4"):
        make_trainer(tmp_path, steps=4, batch_size=4)
    assert make_trainer(tmp_path, steps=3, log_every=2, validate_every=7).run()
    assert make_trainer(tmp_path, steps=4, lr=0.5, settings_may_change=True).run()


def test_rows_logged_after_the_checkpoint_are_taken_out(tmp_path: Path) -> None:
    make_trainer(tmp_path, steps=3).run()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": 4, "text": 99.0}) + "\n" + '{"step": 5, "te')
    make_trainer(tmp_path, steps=6).run()
    assert 99.0 not in losses_of(tmp_path)
    assert len(losses_of(tmp_path)) == 6


def test_warm_up_and_cosine() -> None:
    config = StageConfig(name="a", kind="reasoning", steps=110, warmup_steps=10, min_lr=0.1)
    assert learning_rate(0, config) == pytest.approx(0.1)
    assert learning_rate(9, config) == 1.0
    assert learning_rate(10, config) == 1.0
    assert learning_rate(60, config) == pytest.approx(0.55)
    assert learning_rate(110, config) == pytest.approx(0.1)


def test_a_run_planned_in_minutes_ends_with_them(tmp_path: Path) -> None:
    config = StageConfig(name="a", kind="reasoning", steps=1000, warmup_steps=10, min_lr=0.1, minutes=60)
    assert learning_rate(20, config, minutes=30) == pytest.approx(0.55)
    assert learning_rate(20, config, minutes=60) == pytest.approx(0.1)
    trainer = make_trainer(tmp_path, minutes=1e-9)
    assert trainer.run()
    assert trainer.step == 0


def test_only_the_configured_modules_learn() -> None:
    student = TinyStudent()
    config = StageConfig(name="a", kind="reasoning", lr_scales={"language.1.bias": 0.0})
    chosen = trained_parameters(student, ("language",), config)
    assert set(chosen) == {"language.1.weight"}
    assert not student.encoder.weight.requires_grad
    with pytest.raises(ValueError, match="trains nothing"):
        trained_parameters(
            TinyStudent(), ("language",), StageConfig(name="a", kind="reasoning", lr_scales={"language": 0.0})
        )


def test_sampler_sees_every_sample_once_an_epoch_and_takes_in_new_ones() -> None:
    source = GrowingKeys(10)
    sampler = Sampler(source, 5, seed=4)
    first = sampler.next() + sampler.next()
    assert sorted(first) == sorted(source.keys)
    source.arrivals = ["s900", "s901"]
    second = sampler.next() + sampler.next()
    state = sampler.state()
    rest = sampler.next()
    assert {"s900", "s901"} <= set(second + rest[:2])
    other = Sampler(source, 5, seed=4)
    other.restore(state)
    assert other.next() == rest


def test_batches_do_not_depend_on_how_they_are_prepared() -> None:
    results = []
    for ahead in (1, 3):
        batches = Batches(Sampler(GrowingKeys(10), 4, seed=2), build_batch, seed=5, ahead=ahead)
        results.append([batches.next()[0] for _ in range(4)])
        batches.close()
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


def test_an_empty_data_folder_is_named() -> None:
    with pytest.raises(ValueError, match=r"no training samples.*data generate"):
        Sampler(GrowingKeys(0), 4, seed=0).next()


def test_a_truncated_checkpoint_is_named_with_the_remedy(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"step": 1})
    save_checkpoint(tmp_path, {"step": 2})
    whole = (tmp_path / LATEST).read_bytes()
    (tmp_path / LATEST).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"latest\.pt \(\d+ bytes\) is truncated or damaged.*rename previous\.pt"):
        load_checkpoint(tmp_path)
    (tmp_path / LATEST).unlink()
    assert load_checkpoint(tmp_path)["step"] == 1
    (tmp_path / PREVIOUS).unlink()
    assert load_checkpoint(tmp_path) is None


def test_something_else_than_a_checkpoint_is_named(tmp_path: Path) -> None:
    torch.save({"weights": 1}, tmp_path / LATEST)
    with pytest.raises(ValueError, match="is not a training checkpoint"):
        load_checkpoint(tmp_path)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        only_writer(tmp_path, doing="trained in"),
        pytest.raises(ValueError, match=rf"is being trained in by process {os.getpid()}; stop it"),
        only_writer(tmp_path, doing="trained in"),
    ):
        pass
    with only_writer(tmp_path, doing="trained in"):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_no_half_written_checkpoint_is_left_when_the_disk_is_full(tmp_path: Path, monkeypatch: Any) -> None:
    save_checkpoint(tmp_path, {"step": 1})

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"No space left on device; make room on this disk.*latest\.pt"):
        save_checkpoint(tmp_path, {"step": 2})
    assert [p.name for p in tmp_path.iterdir()] == [LATEST]


def test_a_run_that_fills_the_disk_keeps_its_last_checkpoint(tmp_path: Path) -> None:
    assert make_trainer(tmp_path, steps=2).run()
    good = (tmp_path / LATEST).read_bytes()
    temporary_path(tmp_path / LATEST).symlink_to("/dev/full")  # a device on which there is never any space
    with pytest.raises(OSError, match=r"No space left on device; make room on this disk.*latest\.pt"):
        make_trainer(tmp_path, steps=4).run()
    assert (tmp_path / LATEST).read_bytes() == good
    assert not temporary_path(tmp_path / LATEST).is_symlink()
    again = make_trainer(tmp_path, steps=4)
    assert again.step == 2
    assert again.run()


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(text)
    return path


def test_configuration_is_read_with_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, "seed: 3\nstages:\n  - {name: p, kind: perception, lr: 1e-3, augment: {zoom: [0.5, 1.0]}}\n")
    config = load_config(path, ["p.steps=7", "p.augment.flip=0.25", "threads=1"])
    assert (config.seed, config.threads, config.stages[0].steps) == (3, 1, 7)
    assert config.stages[0].lr == 0.001
    assert config.stages[0].augment.zoom == (0.5, 1.0)
    assert config.stages[0].augment.flip == 0.25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages:\n  - {name: p, kind: perception, step: 3}\n", "unknown key 'step'; did you mean 'steps'"),
        ("stages:\n  - {name: p, kind: perception, noise: {rays: 1}}\n", "noise: unknown key 'rays'"),
        (
            "stages:\n  - {name: p, kind: dreaming}\n",
            "kind must be one of perception, reasoning, joint, distill, cached. Got",
        ),
        (
            "stages:\n  - {name: p, kind: joint, teacher: x}\n",
            "'p': teacher belongs to a stage of kind distill.*Got joint",
        ),
        (
            "stages:\n  - {name: p, kind: joint, multi_view_pairs: true}\n",
            "multi_view_pairs belongs to a stage of kind",
        ),
        ("stages:\n  - {name: p, kind: distill}\n", "'p': teacher must name the folder that `distill3d teach` wrote"),
        (
            "stages:\n  - {name: p, kind: distill, teacher: x, augment: {zoom: [0.8, 1], flip: 0}}\n",
            r"augment: a teacher spoke .* set zoom to \[1, 1\] and flip to 0. Got \[0.8, 1.0\] and 0.0",
        ),
        ("stages:\n  - {name: p, kind: distill, teacher: x, augment: {zoom: [1, 1]}}\n", r"1.0\] and 0.5"),
        (
            "stages:\n  - {name: p, kind: distill, teacher: x, temperature: 0, augment: {zoom: [1, 1], flip: 0}}\n",
            "temperature must be positive. Got 0.0",
        ),
        ("stages:\n  - {name: p, kind: perception, steps: many}\n", "steps must be of type int. Got 'many'"),
        ("stages:\n  - {name: p, kind: perception, lr: -1}\n", "lr must be positive"),
        ("stages: []\n", "stages must be a list"),
        ("- 1\n", "must hold a mapping"),
        ("stages: [\n", "not valid YAML"),
        ("stages:\n  - {name: p, kind: perception, augment: {sizes: [[200, 224]]}}\n", "multiples of 32"),
    ],
)
def test_wrong_configurations_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        load_config(write(tmp_path, text))


def test_wrong_overrides_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "stages:\n  - {name: p, kind: perception}\n")
    with pytest.raises(ValueError, match="reads key=value"):
        load_config(path, ["p.steps"])
    with pytest.raises(ValueError, match="'q' is no stage; there are p"):
        load_config(path, ["q.steps=1"])
    with pytest.raises(ValueError, match="no training configuration at"):
        load_config(tmp_path / "none.yaml")


def test_the_shipped_configurations_are_valid() -> None:
    folder = Path(__file__).parents[3] / "config" / "train"
    config = load_config(folder / "pico.yaml")
    assert [s.kind for s in config.stages] == ["perception", "reasoning", "joint", "perception", "joint"]
    config = load_config(folder / "distill.yaml", ["distill.teacher=somewhere"])
    assert [(s.kind, s.teacher) for s in config.stages] == [("distill", "somewhere")]
    for name in ("real.yaml", "adapt.yaml"):
        config = load_config(folder / name)
        assert [s.kind for s in config.stages] == ["perception", "joint"]
        for stage in config.stages:
            assert 0 < (stage.real_share or 0) < 1
            assert stage.augmentation_of_real.jpeg != stage.augment.jpeg
        assert tuple(student_settings(config).labels) == tuple(LABELS)
