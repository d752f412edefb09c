"""The commands ``distill3d ablate`` and ``distill3d results``."""

from __future__ import annotations

import argparse
from pathlib import Path

from distill3d_ros.cli.arguments import Command, Options, add_mixed_data, positive


def _ablate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="variants (YAML), see config/ablate")
    add_mixed_data(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs; a stopped ablation goes on there")
    parser.add_argument("--seeds", type=_seeds, metavar="0,1,2", help="in place of the configuration's")
    parser.add_argument("--jobs", type=positive, default=1, help="processes at once")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these variants")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where questions are asked")


def _seeds(text: str) -> tuple[int, ...]:
    """Numbers with commas between."""
    parts = text.split(",")
    if not all(part.isdigit() for part in parts) or len(set(parts)) != len(parts):
        raise argparse.ArgumentTypeError(f"must be different whole numbers with commas between. Got '{text}'")
    return tuple(int(part) for part in parts)


def _ablate(options: Options) -> int:
    from distill3d_ros.training.ablation.runner import ablate

    result = ablate(
        options.config,
        data=options.data,
        out=options.out,
        seeds=options.seeds,
        jobs=options.jobs,
        only=options.only,
        device=options.device,
    )
    return 1 if result["failed"] else 0


def _results_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--evaluation", type=Path, action="append", default=[], metavar="DIR", help="folder with a report.json"
    )
    parser.add_argument(
        "--ablation", type=Path, action="append", default=[], metavar="DIR", help="folder with an ablation.json"
    )
    parser.add_argument(
        "--model", type=Path, action="append", default=[], metavar="DIR", help="student or teacher to tell of"
    )
    parser.add_argument(
        "--data", type=Path, action="append", default=[], metavar="DIR", help="folder of data whose making is told"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, such as docs/results.md")


def _results(options: Options) -> int:
    from distill3d_ros.training.ablation.results_page import write_results

    write_results(options.evaluation, options.ablation, options.model, options.out, data=options.data)
    print(f"wrote {options.out}")
    return 0


ABLATION_COMMANDS: dict[str, Command] = {
    "ablate": ("train and compare variants over seeds", _ablate_arguments, _ablate),
    "results": ("write the page of results from evaluations and ablations", _results_arguments, _results),
}
