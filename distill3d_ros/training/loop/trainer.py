"""The training loop that all stages share; batches and losses are the stage's, everything else is configuration."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distill3d_ros.student.student import Student
from distill3d_ros.system.config_loading import to_dict
from distill3d_ros.system.files import write_whole
from distill3d_ros.system.memory import trim_heap
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.loop.accumulation import split_batch
from distill3d_ros.training.loop.batches import Batches, SampleOrder
from distill3d_ros.training.loop.checkpointing import (
    check_same_settings,
    load_checkpoint,
    restore_rng,
    rng_state,
    save_checkpoint,
)
from distill3d_ros.training.loop.curves import METRICS, SETTINGS, drop_rows_after, plot_losses
from distill3d_ros.training.loop.early_stopping import BestSoFar
from distill3d_ros.training.loop.ema import WeightAverage
from distill3d_ros.training.loop.expected_end import describe_end, minutes_left
from distill3d_ros.training.loop.gradient_checkpointing import recompute_blocks
from distill3d_ros.training.loop.log_window import LogWindow
from distill3d_ros.training.loop.optimization import learning_rate, make_optimizer, trained_parameters
from distill3d_ros.training.loop.peak_memory import peak_memory
from distill3d_ros.training.loop.precision import step_precision
from distill3d_ros.training.loop.process_group import ProcessGroup
from distill3d_ros.training.loop.stage import Stage, to_device
from distill3d_ros.training.loop.stop_request import StopRequest
from distill3d_ros.training.loop.uncertainty import LossWeighting

_TRIM_EVERY = 5
"""Steps after which freed memory goes back to the system: batches differ in size, and what they leave piles up."""


class TrainingDivergedError(RuntimeError):
    """A loss was not finite; the checkpoint before it is kept."""


class Trainer:
    """Trains one stage in ``folder``; goes on from its newest checkpoint if it has one."""

    def __init__(
        self,
        config: StageConfig,
        student: Student,
        stage: Stage,
        sampler: SampleOrder,
        folder: Path,
        *,
        seed: int,
        device: torch.device,
        report: Callable[[str], None] = print,
        on_save: Callable[[Trainer], None] | None = None,
        on_best: Callable[[Trainer], None] | None = None,
        processes: ProcessGroup | None = None,
    ) -> None:
        self.processes = ProcessGroup() if processes is None else processes
        if config.batch_size % (self.processes.count * config.accumulate):
            parts = f" times accumulate, {config.accumulate}" if config.accumulate > 1 else ""
            raise ValueError(
                f"stage {config.name!r}: batch_size must be a multiple of the number of processes, "
                f"{self.processes.count}{parts}. Got {config.batch_size}"
            )
        if config.gradient_checkpointing:
            recompute_blocks(student)
        self.config, self.student, self.stage, self.sampler = config, student, stage, sampler
        self.folder, self.seed, self.device, self.report = folder, seed, device, report
        self.precision = step_precision(config.precision, device)
        if self.precision != config.precision and self.processes.is_first:
            report(f"{config.name}: this processor does not multiply in {config.precision}, training is in fp32")
        self.weighting = LossWeighting(stage.loss_names, kind=config.weighting, weights=config.loss_weights).to(device)
        self.parameters = trained_parameters(student, stage.modules, config)
        self.auxiliary_modules = stage.auxiliary_modules
        self.learning = dict(self.parameters)
        if self.auxiliary_modules is not None:
            self.learning |= self.auxiliary_modules.to(device).named_parameters(prefix="auxiliary_modules")
        self.optimizer = make_optimizer(self.learning, self.weighting, config)
        self.average = WeightAverage(self.parameters, config.ema) if config.ema else None
        self.on_save, self.on_best = on_save, on_best
        self.best = BestSoFar(config.stop_early)
        self.step = 0
        self.minutes = 0.0
        """Of training so far, earlier runs included."""
        self._stop = StopRequest(lambda name: report(f"{config.name}: {name} received, saving a checkpoint"))
        self._resume()
        self._is_over = self.best.over

    def run(self) -> bool:
        """Trains up to the configured number of steps. False if it was stopped before; it can go on later."""
        config = self.config
        if self.finished:
            return True
        batches = Batches(
            self.sampler,
            self.stage.builder(),
            seed=self.seed,
            first_step=self.step,
            workers=self.stage.workers,
            part=self.processes.part,
        )
        with self._stop.from_signals():
            try:
                self._train(batches)
            finally:
                batches.close()
        if self._is_over:
            self.report(f"{config.name}: no better than {self.best.describe()}, ended at step {self.step}")
        elif not self.finished:
            self.report(f"{config.name}: stopped at step {self.step} of {config.steps}; the same command goes on")
            return False
        return True

    def _train(self, batches: Batches) -> None:
        """Steps until the stage is finished or training is stopped, with logs, validations and checkpoints."""
        config, is_first = self.config, self.processes.is_first
        began = saved = time.monotonic()
        first_step, minutes_before = self.step, self.minutes
        position = self.sampler.state()
        if is_first:
            self._begin()
        window = LogWindow()
        while self._goes_on(minutes_before + (time.monotonic() - began) / 60):
            t0 = time.monotonic()
            batch, position, keys = batches.next()
            waited = time.monotonic() - t0
            window.add(self._update(to_device(batch, self.device), keys), waited=waited)
            self.step += 1
            if self.step % _TRIM_EVERY == 0:
                trim_heap()
            if not is_first:
                continue
            now = time.monotonic()
            if self.step % config.log_every == 0 or self.step == config.steps:
                self._log(window, minutes_per_step=(now - began) / 60 / (self.step - first_step))
                window = LogWindow()
            if self.step % config.validate_every == 0:
                window.leave_out(self._validate())
            if config.max_minutes and now - began > config.max_minutes * 60:
                self.report(f"{config.name}: the time limit of {config.max_minutes:g} minutes is reached")
                self._stop.set()
            if now - saved > config.checkpoint_minutes * 60:
                self._save(position)
                saved = now
        if is_first:
            if self.finished and self.step % config.validate_every:
                self._validate()
            self._save(position)
        self.processes.wait()

    def _begin(self) -> None:
        """Preparation before the first step of a call."""
        config = self.config
        write_whole(self.folder / SETTINGS, json.dumps(to_dict(config), indent=1))
        if config.stop_early.figure and self.step == 0:
            self._validate()  # what a better student must beat; and the figure's name is checked before hours

    @property
    def finished(self) -> bool:
        """Whether the planned steps, the planned minutes, or the patience for a better student are over."""
        return self._is_over or self.step >= self.config.steps or 0 < self.config.minutes <= self.minutes

    def _goes_on(self, minutes: float) -> bool:
        """Whether there is a next step; the first process's clock, signals and validations decide for all."""
        self.minutes, stop, over = self.processes.from_first(minutes, float(self._stop.is_set()), float(self.best.over))
        self._is_over = bool(over)
        return not self.finished and not stop

    def _update(self, batch: Any, keys: list[str]) -> dict[str, float]:
        config = self.config
        factor = learning_rate(self.step, config, self.minutes)
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * group["scale"] * factor
        self.student.train()
        torch.manual_seed((self.seed * 1_000_003 + self.step) & 0x7FFFFFFF)
        self.optimizer.zero_grad(set_to_none=True)
        losses: dict[str, float] = defaultdict(float)
        count = config.accumulate
        for part, names in zip(split_batch(batch, len(keys), count), split_batch(keys, len(keys), count), strict=True):
            for name, value in self._learn_from(part, names, 1 / count).items():
                losses[name] += value / count
        if not losses:
            self.weighting({})  # which says that there is nothing to minimise
        learning = [p for group in self.optimizer.param_groups for p in group["params"]]
        row = self.processes.average_gradients(learning, losses, ("total", *self.stage.loss_names))
        norm = nn.utils.clip_grad_norm_(list(self.learning.values()), config.grad_clip)
        if not torch.isfinite(norm):
            self._diverged({}, keys)
        self.optimizer.step()
        self.weighting.clamp_()
        if self.average is not None:
            self.average.update()
        return {**row, "grad_norm": norm.item()}

    def _learn_from(self, batch: Any, keys: list[str], share: float) -> dict[str, float]:
        """Adds the gradients of a part of a batch; returns its losses."""
        autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")
        with autocast:
            losses = self.stage.losses(self.student, batch)
        if share < 1 and not any(self.weighting.weights.get(name, 1.0) for name in losses):
            return {}  # a part may have nothing to be about
        total = self.weighting(losses)
        if not torch.isfinite(total):
            self._diverged(losses, keys)
        (total * share).backward()
        return {"total": total.item(), **{name: loss.item() for name, loss in losses.items()}}

    def _diverged(self, losses: dict[str, Tensor], keys: list[str]) -> None:
        bad = [name for name, loss in losses.items() if not torch.isfinite(loss)]
        what = f"losses {', '.join(bad)} are" if bad else "the gradient is"
        raise TrainingDivergedError(
            f"{self.config.name}: {what} not finite at step {self.step}, samples {', '.join(keys)}. Nothing of this "
            f"step was kept; the last good checkpoint is in {self.folder}. Look at these samples, or go on from there "
            "with a lower lr and settings_may_change=true"
        )

    def _log(self, window: LogWindow, *, minutes_per_step: float) -> None:
        config = self.config
        row = {
            "step": self.step,
            **window.means(),
            "lr": config.lr * learning_rate(self.step - 1, config, self.minutes),
            **window.speed(config.batch_size),
            "minutes": self.minutes,
            **peak_memory(self.device),
        }
        self._write(row)
        losses = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if k in self.stage.loss_names)
        left = minutes_left(
            step=self.step,
            steps=config.steps,
            minutes_per_step=minutes_per_step,
            minutes=self.minutes,
            most_minutes=config.minutes,
        )
        self.report(
            f"{config.name} {self.step}/{config.steps}  {losses}  {row['samples_per_second']:.1f}/s  "
            f"lr {row['lr']:.1e}  {self.sampler.describe()}" + (f"  {describe_end(left)}" if left else "")
        )

    def _validate(self) -> float:
        """Validates, and keeps the student if it is the best so far. Returns how many seconds it took."""
        began = time.monotonic()
        figures = self.validate()
        if figures:
            self._write({"step": self.step, **{f"val_{k}": v for k, v in figures.items()}})
            text = "  ".join(f"{k} {v:.3f}" for k, v in figures.items())
            self.report(f"{self.config.name} {self.step} validation  {text}  ({time.monotonic() - began:.0f} s)")
        if self.best.note(self.step, figures) and self.config.best and self.on_best is not None:
            self.on_best(self)
        return time.monotonic() - began

    def validate(self) -> dict[str, float]:
        """The stage's figures, of the averaged weights where there are any."""
        self.student.eval()
        try:
            if self.average is None:
                return self.stage.validate(self.student)
            with self.average.applied():
                return self.stage.validate(self.student)
        finally:
            self.student.train()

    def _write(self, row: dict[str, Any]) -> None:
        clean = {k: (round(v, 6) if isinstance(v, float) else v) for k, v in row.items()}
        with (self.folder / METRICS).open("a") as stream:
            stream.write(json.dumps(clean) + "\n")

    def _save(self, position: dict[str, Any]) -> None:
        state = {
            "step": self.step,
            "minutes": self.minutes,
            "student": self.student.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "weighting": self.weighting.state_dict(),
            "auxiliary_modules": None if self.auxiliary_modules is None else self.auxiliary_modules.state_dict(),
            "average": None if self.average is None else self.average.state(),
            "rng": rng_state(),
            "sampler": position,
            "best": self.best.state(),
            "config": json.dumps(to_dict(self.config)),
        }
        save_checkpoint(self.folder, state)
        plot_losses(self.folder / METRICS, self.folder / "losses.png")
        if self.on_save is not None:
            self.on_save(self)

    def _resume(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        state = load_checkpoint(self.folder)
        if state is None:
            if self.processes.is_first:
                drop_rows_after(self.folder / METRICS, -1)
            return
        if "config" in state and not self.config.settings_may_change:
            now = json.loads(json.dumps(to_dict(self.config)))  # tuples are lists there
            check_same_settings(json.loads(state["config"]), now, stage=self.config.name)
        try:
            self.student.load_state_dict(state["student"])
            if self.auxiliary_modules is not None:
                self.auxiliary_modules.load_state_dict(state["auxiliary_modules"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"the checkpoint in {self.folder} is of another student or stage: {error}. "
                "Choose another --out to start anew"
            ) from error
        self.weighting.load_state_dict(state["weighting"])
        if self.average is not None and state["average"] is not None:
            self.average.restore(state["average"])
        restore_rng(state["rng"])
        self.sampler.restore(state["sampler"])
        if "best" in state:
            self.best.restore(state["best"])
        self.step, self.minutes = int(state["step"]), float(state["minutes"])
        if self.processes.is_first:  # the others would rename the same file
            drop_rows_after(self.folder / METRICS, self.step)
        self.report(f"{self.config.name}: going on from step {self.step}")
