"""The command ``distill3d``: arguments in, one call, an exit status out. Everything heavy is imported when needed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from distill3d_ros import __version__
from distill3d_ros.cli.ablate import ABLATION_COMMANDS
from distill3d_ros.cli.arguments import Command, Options, add_student, positive
from distill3d_ros.cli.benchmark import BENCHMARK_COMMANDS
from distill3d_ros.cli.data import DATA_COMMANDS
from distill3d_ros.cli.train import TRAINING_COMMANDS

# ------------------------------------------------------------------------------------------------------- answering


def _ask_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path, help="a picture")
    parser.add_argument("question", nargs="+", help="one question or several, each in quotes")
    add_student(parser)
    parser.add_argument("--fov", type=float, help="horizontal field of view, degrees")
    parser.add_argument("--camera", type=Path, help="calibration file as camera_calibration writes it")
    parser.add_argument("--camera-height", type=float, metavar="M", help="metres above the floor, for the scale")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--depth", type=Path, help="write the depth here (.png: 16-bit mm, .npy: metres)")
    parser.add_argument("--picture", type=Path, help="write the picture with boxes here")


def _ask(options: Options) -> int:
    from distill3d_ros.cli.ask import ask_image

    return ask_image(options)


def _doctor(options: Options) -> int:
    from distill3d_ros.cli.doctor import run_doctor

    return run_doctor()


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="pico", help="preset of the student")
    parser.add_argument(
        "--run", dest="first_run", action="store_true", help="also build it with random weights and time one frame"
    )


def _info(options: Options) -> int:
    from distill3d_ros.cli.info import print_parameters

    print_parameters(options.preset, run=options.first_run)
    return 0


def _bench_arguments(parser: argparse.ArgumentParser) -> None:
    add_student(parser)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each stage is measured")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument(
        "--memory", type=float, metavar="MINUTES", help="measure only how a worker's memory grows while it makes rooms"
    )


def _bench(options: Options) -> int:
    from distill3d_ros.cli.bench import run_benchmarks

    return run_benchmarks(model=options.model, seconds=options.seconds, memory=options.memory, json_file=options.json)


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder for pictures and bag")
    add_student(parser)
    parser.add_argument("--seed", type=int, default=7, help="which rooms")
    parser.add_argument("--questions", type=positive, default=32, help="number of questions")


def _demo(options: Options) -> int:
    from distill3d_ros.demo.demo import run_demo

    return run_demo(out=options.out, model=options.model, seed=options.seed, questions=options.questions)


# -------------------------------------------------------------------------------------------------------- the table


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    pass


COMMANDS: dict[str, Command] = {
    "ask": ("answer questions about a picture", _ask_arguments, _ask),
    "demo": ("drive a simulated robot through unseen rooms and ask, in ROS 2", _demo_arguments, _demo),
    "doctor": ("check that everything the nodes need is there", _no_arguments, _doctor),
    **DATA_COMMANDS,
    **TRAINING_COMMANDS,
    **ABLATION_COMMANDS,
    **BENCHMARK_COMMANDS,
    "info": ("table of a student's parts and parameters", _info_arguments, _info),
    "bench": ("measure rendering, perception, answers and the service", _bench_arguments, _bench),
}
"""Command -> help, its arguments, what it does."""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="distill3d", description="Spatial questions, depth and 3D boxes from RGB.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for name, (text, add_arguments, run) in COMMANDS.items():
        *path, last = name.split()
        parent = commands
        for depth in range(1, len(path) + 1):
            group = " ".join(path[:depth])
            if group not in groups:
                members = ", ".join(dict.fromkeys(n.split()[depth] for n in COMMANDS if n.startswith(group + " ")))
                text_of_group = f"data sets: {members}"
                whole = parent.add_parser(path[depth - 1], help=text_of_group, description=f"{text_of_group}.")
                groups[group] = whole.add_subparsers(metavar="COMMAND", required=True)
            parent = groups[group]
        command = parent.add_parser(last, help=text, description=text[:1].upper() + text[1:] + ".")
        # Where people look for it first; the default must not undo a --debug given before the command.
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        add_arguments(command)
        command.set_defaults(run=run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. A mistake of the user's or of the machine is one line and status 2, Ctrl-C is one line and 130."""
    options = make_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader (a pager, head) has seen enough; keep Python from complaining while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError) as error:
        if options.debug:
            traceback.print_exc()
        print(f"distill3d: {_describe(error)}", file=sys.stderr)
        return 2


def _describe(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error}. `make setup` installs everything; run distill3d from .venv/bin"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
