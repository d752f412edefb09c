"""The training of a configuration's stages, one after the other, each in its folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from distill3d_ros.student.checkpoint import save_student
from distill3d_ros.system.device import torch_device
from distill3d_ros.system.files import only_writer
from distill3d_ros.training.config import StageConfig, TrainConfig, load_config
from distill3d_ros.training.data.mixture import Folders, RealKeys
from distill3d_ros.training.data.reading import describe_folders
from distill3d_ros.training.loop.batches import KeySource, SampleOrder, Sampler
from distill3d_ros.training.loop.process_group import ProcessGroup, process_group_of_torchrun
from distill3d_ros.training.loop.share_sampler import ShareSampler
from distill3d_ros.training.loop.train_options import TrainOptions
from distill3d_ros.training.loop.trainer import Trainer
from distill3d_ros.training.stages.make_stage import make_stage, training_source
from distill3d_ros.training.start.initial_student import BEST_STUDENT, STUDENT, starting_student


def train(options: TrainOptions, *, report: Callable[[str], None] = print, command: str = "") -> Path | None:
    """Trains the stages of a configuration one after the other, or one of them.

    Started by torchrun, its processes train one student together. Everything lands in ``options.out/<stage>``; what is
    finished is not done again, what was stopped goes on.

    Args:
        options: the configuration, its stages, and the data folders, whose samples are mixed; those with a
            validation split are validated on.
        command: how to do it again, for the students' cards.

    Returns:
        The folder of the finished student, or None if training was stopped before the end.
    """
    config, init = load_config(options.config, options.overrides), options.init
    names = [s.name for s in config.stages] if options.stage is None else [config.stage(options.stage).name]
    finished: Path | None = None
    with process_group_of_torchrun(torch_device(config.device)) as processes:
        for name in names:
            finished = train_stage(
                config,
                name,
                data=options.data,
                out=Path(options.out),
                init=init,
                wait=options.wait,
                report=report,
                processes=processes,
                command=command,
            )
            init = None
            if finished is None:
                return None
    return finished


def train_stage(
    config: TrainConfig,
    name: str,
    *,
    data: Folders,
    out: Path,
    init: str | Path | None = None,
    wait: bool = False,
    report: Callable[[str], None] = print,
    processes: ProcessGroup | None = None,
    command: str = "",
) -> Path | None:
    """Trains one stage; the student it starts from is ``init``, or the finished one of the stage before.

    ``processes`` share every batch; the first of them reports, validates and saves. ``command`` is for the card.
    """
    processes = processes or ProcessGroup()
    stage_config = config.stage(name)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = torch_device(config.device)
    torch.manual_seed(config.seed)
    if not processes.is_first:
        report = _silent
        processes.wait()
    with only_writer(out / name, doing="trained in") if processes.is_first else nullcontext():
        student = starting_student(config, name, out=out, init=init, report=report).to(device)
        source = training_source(stage_config, data, wait=wait, report=report)
        stage = make_stage(stage_config, data, out / name, student)
        samples = stage.training_samples(source, report)
        if processes.is_first:
            processes.wait()  # what the stage keeps in its folder is there now
        seed = config.seed * 100 + [s.name for s in config.stages].index(name)
        folder = out / name / STUDENT
        trainer = Trainer(
            stage_config,
            student,
            stage,
            sample_order(stage_config, samples, data, seed),
            out / name,
            seed=seed,
            device=device,
            report=report,
            on_save=lambda t: save_trained(t, folder, config, data=data, command=command),
            on_best=lambda t: save_trained(t, out / name / BEST_STUDENT, config, data=data, command=command),
            processes=processes,
        )
        count = sum(p.numel() for p in trainer.parameters.values())
        together = f" in each of {processes.count} processes" if processes.count > 1 else ""
        where = f"{len(samples.keys)} samples in {describe_folders(data)}, {device}{together}"
        report(f"{name}: {count / 1e6:.2f} M parameters learn, {where}")
        done = trainer.run()
    report(f"{name}: the student is in {folder}")
    return folder if done else None


def sample_order(config: StageConfig, samples: KeySource, data: Folders, seed: int) -> SampleOrder:
    """The order in which a stage meets its samples."""
    if config.real_share is None:
        return Sampler(samples, config.batch_size, seed, config.epoch_samples)
    return ShareSampler(
        samples,
        config.batch_size,
        seed,
        real_share=config.real_share,
        is_real=RealKeys(data, "train"),
        epoch_samples=config.epoch_samples,
    )


def _silent(line: str) -> None:
    """The report of a process that is not the first."""


def save_trained(trainer: Trainer, folder: Path, config: TrainConfig, *, data: Folders, command: str = "") -> None:
    """The student with its averaged weights, and a card with its stage, steps, seed and data."""
    card = {
        "stage": trainer.config.name,
        "steps": trainer.step,
        "minutes": round(trainer.minutes, 1),
        "seed": config.seed,
        "data": ", ".join(folder.name for folder in data),
    }
    if command:
        card["command"] = command
    if trainer.best.step >= 0:
        card["best"] = trainer.best.describe()
    if trainer.average is None:
        save_student(folder, trainer.student, card)
    else:
        with trainer.average.applied():
            save_student(folder, trainer.student, card)
