"""The command ``distill3d benchmark``."""

from __future__ import annotations

import argparse
from pathlib import Path

from distill3d_ros.cli.arguments import Command, Options, add_student, add_where_it_runs, positive


def _benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=("scanqa", "sqa3d", "vsi-bench"), help="the question set")
    parser.add_argument("questions", type=Path, metavar="QUESTIONS", help="its published file")
    parser.add_argument("--scans", type=Path, required=True, metavar="DIR", help="folder with scene0000_00, ...")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.md, report.json and answers.jsonl")
    parser.add_argument("--annotations", type=Path, metavar="JSON", help="SQA3D's file with the answers")
    add_student(parser)
    parser.add_argument("--frames", type=positive, default=8, help="frames of a scan that are looked at, at most 8")
    parser.add_argument("--count", type=positive, help="ask only so many questions, evenly spread over the file")
    parser.add_argument("--skip-missing", action="store_true", help="leave out questions about scans not in DIR")
    add_where_it_runs(parser)


def _benchmark(options: Options) -> int:
    from distill3d_ros.training.evaluation.benchmarks.benchmark import run_benchmark

    run_benchmark(
        options.name,
        options.questions,
        scans=options.scans,
        out=options.out,
        annotations=options.annotations,
        model=options.model,
        frames=options.frames,
        count=options.count,
        skip_missing=options.skip_missing,
        device=options.device,
        threads=options.threads,
    )
    return 0


BENCHMARK_COMMANDS: dict[str, Command] = {
    "benchmark": ("ask a student the questions of ScanQA, SQA3D or VSI-Bench", _benchmark_arguments, _benchmark),
}
