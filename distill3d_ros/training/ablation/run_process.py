"""One process of an ablation: trains one run, or measures the runs of one variant.

Started by ``runner`` as ``python -m distill3d_ros.training.ablation.run_process``; ends with 130 when it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from distill3d_ros.system.device import torch_device
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.ablation.measuring import is_measured, measure, measuring_key
from distill3d_ros.training.ablation.plan import load_ablation
from distill3d_ros.training.ablation.runs import CACHE, TRAINED, TRAINING, Run, others_of
from distill3d_ros.training.loop.checkpointing import LATEST, PREVIOUS
from distill3d_ros.training.loop.curves import read_metrics
from distill3d_ros.training.loop.train_options import TrainOptions
from distill3d_ros.training.train import train


def train_run(run: Run, data: Sequence[Path], init: str) -> bool:
    """Trains a run to its end and drops its checkpoints; False if it was stopped."""
    training = yaml.safe_load((run.folder / TRAINING).read_text())
    student = Path(init) if init else None
    finished = train(TrainOptions(config=run.folder / TRAINING, data=tuple(data), out=run.folder, init=student))
    if finished is None:
        return False
    stages = [stage["name"] for stage in training["stages"]]
    rows = [row for name in stages for row in read_metrics(run.folder / name / "metrics.jsonl")]
    cards = [json.loads((run.folder / name / "student" / "config.json").read_text())["card"] for name in stages]
    result = {
        "student": str(finished.relative_to(run.folder)),
        "steps": sum(card["steps"] for card in cards),
        "minutes": sum(card["minutes"] for card in cards),
        "validation": next((row for row in reversed(rows) if any(k.startswith("val_") for k in row)), {}),
    }
    write_whole(run.folder / TRAINED, json.dumps(result, indent=1) + "\n")
    drop_checkpoints(run)
    return True


def drop_checkpoints(run: Run) -> None:
    """Deletes the checkpoints of a trained run, which are most of its bytes."""
    for name in (LATEST, PREVIOUS):
        for file in run.folder.glob(f"*/{name}"):
            file.unlink(missing_ok=True)


def measure_variant(config_path: Path, out: Path, runs: Sequence[Run], data: Sequence[Path], device: str) -> None:
    """Measures the trained runs of one variant."""
    asked, on = load_ablation(config_path).evaluate, torch_device(device)
    for run, other in others_of(runs):
        student, theirs = run.student, None if other is None else other.student
        if not is_measured(run.folder, measuring_key(student, theirs, asked, tuple(data))):
            measure(run.folder, student, theirs, data=tuple(data), asked=asked, cache=out / CACHE, device=on)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="worker")
    parser.add_argument("task", choices=("train", "measure"))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--seeds", required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    runs = [Run(out=options.out, variant=options.variant, seed=int(seed)) for seed in options.seeds.split(",")]
    try:
        if options.task == "train":
            init = load_ablation(options.config).init
            return 0 if all(train_run(run, options.data, init) for run in runs) else 130
        measure_variant(options.config, options.out, runs, options.data, options.device)
    except (ValueError, OSError, ImportError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
