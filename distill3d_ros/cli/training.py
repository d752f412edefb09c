"""The commands from a teacher and rooms to a student and its figures."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

from distill3d_ros.cli.command import Command
from distill3d_ros.training.ablation.ablation_options import AblateOptions, ResultsOptions
from distill3d_ros.training.evaluation.benchmarks.benchmark_options import BenchmarkOptions
from distill3d_ros.training.evaluation.calibrating.calibrate_options import CalibrateOptions
from distill3d_ros.training.evaluation.evaluation_options import EvaluateOptions, ExportOptions
from distill3d_ros.training.loop.train_options import TrainOptions
from distill3d_ros.training.teachers.teach_options import TeachOptions


def _teach(options: TeachOptions) -> int:
    from distill3d_ros.system.device import torch_device
    from distill3d_ros.training.loop.process_group import process_group_of_torchrun
    from distill3d_ros.training.teachers.make_teacher import make_teacher
    from distill3d_ros.training.teachers.teach import teach

    with process_group_of_torchrun(torch_device(options.device)) as group:
        teach(make_teacher(options), options, group=group)
    return 0


def _train(options: TrainOptions) -> int:
    from distill3d_ros.training.train import train

    finished = train(options, command=_command_line())
    if os.environ.get("RANK", "0") == "0":  # torchrun's name for the first of its processes
        print(f"student: {finished}" if finished else "stopped; the same command goes on from here")
    return 0 if finished else 130


def _command_line() -> str:
    """The command line, for the card of the student."""
    count = int(os.environ.get("WORLD_SIZE", "1"))  # of torchrun
    starter = ["torchrun", "--nproc-per-node", str(count), "--no-python"] if count > 1 else []
    return shlex.join([*starter, "distill3d", *sys.argv[1:]])


def _evaluate(options: EvaluateOptions) -> int:
    from distill3d_ros.training.evaluation.evaluate import evaluate

    evaluate(options)
    return 0


def _calibrate(options: CalibrateOptions) -> int:
    from distill3d_ros.training.evaluation.calibrating.calibrate import calibrate

    calibrate(options)
    return 0


def _export(options: ExportOptions) -> int:
    from distill3d_ros.training.evaluation.evaluate import evaluate
    from distill3d_ros.training.release.export import add_report, export_student

    if options.run is not None:
        export_student(options)
    if options.report is not None and options.data is not None:
        evaluate(EvaluateOptions(model=options.out, data=options.data, out=options.report, teacher=options.teacher))
    if options.report is not None or options.real_report is not None:
        add_report(options.out, options.report, options.real_report)
    if options.onnx:
        from distill3d_ros.student.onnx_export import export_onnx

        for file in export_onnx(options.out, options.onnx):
            print(f"wrote {file}")
    print(f"wrote {options.out}")
    return 0


def _ablate(options: AblateOptions) -> int:
    from distill3d_ros.training.ablation.runner import ablate

    return 1 if ablate(options)["failed"] else 0


def _results(options: ResultsOptions) -> int:
    from distill3d_ros.training.ablation.results_page import write_results

    write_results(options)
    print(f"wrote {options.out}")
    return 0


def _benchmark(options: BenchmarkOptions) -> int:
    from distill3d_ros.training.evaluation.benchmarks.benchmark import run_benchmark

    run_benchmark(options)
    return 0


TRAINING_COMMANDS: dict[str, Command[Any]] = {
    "teach": Command("let a teacher answer questions about a data set", TeachOptions, _teach),
    "train": Command("train a student", TrainOptions, _train),
    "evaluate": Command("measure a student against geometry", EvaluateOptions, _evaluate),
    "calibrate": Command("fit a student's scores and confidences on validation rooms", CalibrateOptions, _calibrate),
    "export": Command("put the student of a run into a folder that ships", ExportOptions, _export),
    "ablate": Command("train and compare variants over seeds", AblateOptions, _ablate),
    "results": Command("write the page of results from evaluations and ablations", ResultsOptions, _results),
    "benchmark": Command("ask a student the questions of ScanQA, SQA3D or VSI-Bench", BenchmarkOptions, _benchmark),
}
