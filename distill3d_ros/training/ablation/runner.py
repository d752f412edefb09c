"""The command ``distill3d ablate``: every variant with every seed in a process of its own, then the report."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill3d_ros.student.checkpoint import load_student
from distill3d_ros.student.hub import student_folder
from distill3d_ros.system.device import torch_device
from distill3d_ros.system.files import only_writer, write_whole
from distill3d_ros.system.threads import available_cores, thread_variables
from distill3d_ros.training.ablation.ablation_options import AblateOptions
from distill3d_ros.training.ablation.ablation_report import write_ablation
from distill3d_ros.training.ablation.costs import question_costs
from distill3d_ros.training.ablation.jobs import DONE, FAILED, RUNNING, STOPPED, WAITING, Job, run_jobs
from distill3d_ros.training.ablation.measuring import all_measured
from distill3d_ros.training.ablation.plan import AblationConfig, cached_stages, chosen, load_ablation, trainings
from distill3d_ros.training.ablation.runs import CACHE, LOG, Run, disk_use
from distill3d_ros.training.ablation.summary import summary
from distill3d_ros.training.data.mixture import Folders
from distill3d_ros.training.inputs.cache_perception import cache_perception

COSTS = "costs.json"
MEMORY_GB = 2.5
"""Free memory, GB, that another process needs to start."""


def ablate(options: AblateOptions, *, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Runs the remaining processes of an ablation; writes ``ablation.md``, ``ablation.json`` and plots into its folder.

    Returns:
        The content of ``ablation.json``; its ``failed`` names the runs that failed, with their logs.

    Raises:
        ValueError: the configuration or the data cannot be used; nothing was begun.
    """
    config, data, out = load_ablation(options.config), options.data, Path(options.out).resolve()
    names, seeds, device = chosen(config, options.only), options.seeds or config.seeds, options.device
    training = trainings(config, out / CACHE)
    with only_writer(out):
        runs = {name: [Run(out=out, variant=name, seed=seed) for seed in seeds] for name in names}
        for name, its_runs in runs.items():
            for run in its_runs:
                run.prepare(training[name])
        _cache_perceptions(config, training, data, out, device, report)
        work = _Work(config, Path(options.config), data, out, runs, device, report)
        work.do(options.jobs)
        result = summary(config, runs, data) | {
            "failed": work.failed(),
            "costs": _costs(runs, out, device, report),
            "disk_bytes": disk_use([out]),
            "data": [str(folder) for folder in data],
            "config": str(options.config),
            "command": shlex.join(["distill3d", *sys.argv[1:]]),
        }
        write_ablation(result, out)
    report(f"report written to {out / 'ablation.md'}")
    return result


def _cache_perceptions(
    config: AblationConfig,
    training: dict[str, dict[str, Any]],
    data: Folders,
    out: Path,
    device: str,
    report: Callable[[str], None],
) -> None:
    """Caches the perception of the frames that stages of kind cached train on and are evaluated on."""
    if not any(cached_stages(t) for t in training.values()):
        return
    source = config.base.get("perception") or config.base.get("start_from")
    if not source:
        raise ValueError(
            "a stage of kind cached needs base.perception or base.start_from, the folder of a student that perceives. "
            "Got neither"
        )
    if parts := [split for split in config.evaluate.splits if "/" in split]:
        raise ValueError(f"evaluate.splits must be whole splits where perception is cached. Got {', '.join(parts)}")
    perceiver = load_student(student_folder(source), torch_device(device))
    counts = {"train": config.perception.views, "val": config.perception.validation_views}
    for split, views in (counts | dict.fromkeys(config.evaluate.splits, config.evaluate.frames)).items():
        cache_perception(perceiver, data, split, out / CACHE, config.perception, views=views, report=report)


class _Work:
    """The processes of an ablation, and their progress messages."""

    def __init__(
        self,
        config: AblationConfig,
        config_path: Path,
        data: Folders,
        out: Path,
        runs: dict[str, list[Run]],
        device: str,
        report: Callable[[str], None],
    ) -> None:
        self.out, self.runs, self.report = out, runs, report
        self.began = time.monotonic()
        self.train: dict[Run, Job] = {}
        self.measure: list[Job] = []
        common = ["--config", str(config_path), "--out", str(out), "--device", device]
        common += [word for folder in data for word in ("--data", str(folder))]
        worker = [sys.executable, "-m", "distill3d_ros.training.ablation.run_process"]
        for variant, its_runs in runs.items():
            for run in its_runs:
                which = ["--variant", variant, "--seeds", str(run.seed)]
                job = Job(name=f"{variant} seed {run.seed}", command=[*worker, "train", *which, *common], log=_log(run))
                job.state = DONE if run.trained is not None else WAITING
                self.train[run] = job
            which = ["--variant", variant, "--seeds", ",".join(str(run.seed) for run in its_runs)]
            trained = all(run.trained is not None for run in its_runs)
            job = Job(
                name=f"{variant} measured",
                command=[*worker, "measure", *which, *common],
                log=its_runs[0].folder.parent / "measure.log",
                after=tuple(self.train[run].name for run in its_runs),
            )
            job.state = DONE if trained and all_measured(its_runs, config.evaluate, data) else WAITING
            self.measure.append(job)

    @property
    def jobs(self) -> list[Job]:
        """Each variant's trainings, then its questions; so the first variants are done first."""
        order: list[Job] = []
        for (variant, its_runs), measured in zip(self.runs.items(), self.measure, strict=True):
            assert measured.name.startswith(variant)
            order += [*(self.train[run] for run in its_runs), measured]
        return order

    def do(self, at_once: int) -> None:
        cores = max(1, available_cores() // at_once)
        env = dict(os.environ) | thread_variables(os.environ, threads=cores)
        waiting = [job for job in self.jobs if job.state == WAITING]
        self.report(
            f"{len(self.train)} runs of {len(self.runs)} variants, {len(waiting)} processes to go, {at_once} at once; "
            f"{disk_use([self.out]) / 1e9:.2f} GB in {self.out}, {shutil.disk_usage(self.out).free / 1e9:.0f} GB free"
        )
        run_jobs(
            self.jobs,
            at_once=at_once,
            memory_gb=MEMORY_GB,
            env=env,
            on_change=self._changed,
            on_time=self._table,
        )
        self._table()

    def failed(self) -> list[dict[str, str]]:
        """Runs that failed, with the last lines of their logs."""
        return [
            {"name": job.name, "log": str(job.log), "why": job.last_line} for job in self.jobs if job.state == FAILED
        ]

    def _changed(self, job: Job) -> None:
        if job.state == RUNNING:
            self.report(f"{job.name}: begun, log in {job.log}")
        elif job.state == FAILED:
            self.report(f"{job.name}: FAILED after {job.minutes:.1f} min, {job.last_line}; see {job.log}")
        else:
            self.report(f"{job.name}: {job.state}, {job.minutes:.1f} min")

    def _table(self) -> None:
        states = [job.state for job in self.train.values()]
        count = ", ".join(f"{states.count(s)} {s}" for s in (DONE, RUNNING, WAITING, STOPPED, FAILED) if s in states)
        use, free = disk_use([self.out]) / 1e9, shutil.disk_usage(self.out).free / 1e9
        minutes = (time.monotonic() - self.began) / 60
        self.report(f"after {minutes:.0f} min: {count}; {use:.2f} GB used, {free:.0f} GB free")
        width = max(map(len, self.runs))
        for (variant, its_runs), measured in zip(self.runs.items(), self.measure, strict=True):
            cells = [
                f"{run.seed}: {self.train[run].progress if self.train[run].state == RUNNING else self.train[run].state}"
                for run in its_runs
            ]
            self.report(f"  {variant:{width}}  {'   '.join(cells)}   measured: {measured.state}")


def _log(run: Run) -> Path:
    return run.folder / LOG


def _costs(
    runs: dict[str, list[Run]], out: Path, device: str, report: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Costs of a question by variant, measured when nothing else of this ablation runs, and stored."""
    students = {name: run.student for name, its_runs in runs.items() for run in its_runs[:1] if run.trained}
    path = out / COSTS
    kept: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if not set(students) <= set(kept):
        report("timing questions")
        kept = question_costs(students, torch_device(device))
        write_whole(path, json.dumps(kept, indent=1) + "\n")
    return {name: kept[name] for name in students}
