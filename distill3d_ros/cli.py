"""The command ``distill3d``: arguments in, one call, an exit status out. Everything heavy is imported when needed."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from distill3d_ros import __version__
from distill3d_ros.cli_arguments import Command, Options, positive
from distill3d_ros.cli_data import DATA_COMMANDS
from distill3d_ros.training.ablation.commands import ABLATION_COMMANDS
from distill3d_ros.training.benchmarks.commands import BENCHMARK_COMMANDS

# ------------------------------------------------------------------------------------------------------- training


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="training configuration (YAML)")
    parser.add_argument(
        "--data", type=Path, required=True, action="append", help="folder of a data set; give it again to mix several"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; a stopped run goes on there")
    parser.add_argument("--stage", help="only this stage of the configuration")
    parser.add_argument("--init", type=Path, help="student to start from, in place of the stage before")
    parser.add_argument("--wait", action="store_true", help="wait for a data set that is being made")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes, such as perception.steps=100")


def _train(options: Options) -> int:
    from distill3d_ros.training.train import train

    finished = train(
        options.config,
        data=options.data,
        out=options.out,
        stage=options.stage,
        overrides=options.overrides,
        init=options.init,
        wait=options.wait,
        command=_command_line(),
    )
    if os.environ.get("RANK", "0") == "0":  # torchrun's name for the first of its processes
        print(f"student: {finished}" if finished else "stopped; the same command goes on from here")
    return 0 if finished else 130


def _command_line() -> str:
    """What was typed, for the card of what comes of it."""
    count = int(os.environ.get("WORLD_SIZE", "1"))  # of torchrun
    starter = ["torchrun", "--nproc-per-node", str(count), "--no-python"] if count > 1 else []
    return shlex.join([*starter, "distill3d", *sys.argv[1:]])


def _teach_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = ("privileged", "llava3d", "transformers_vlm")
    parser.add_argument("--teacher", required=True, choices=kinds, help="what kind of model it is")
    parser.add_argument("--model", required=True, help="its folder, or its id on a hub with @revision")
    parser.add_argument(
        "--data", type=Path, required=True, action="append", help="folder of a data set; give it again to mix several"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the answers; what was stopped goes on there")
    parser.add_argument("--split", default="train", help="which part of the data (default: train)")
    parser.add_argument("--questions", type=positive, default=24, help="questions about each sample, at most")
    parser.add_argument("--seed", type=int, default=0, help="which questions are asked")
    parser.add_argument("--limit", type=positive, metavar="N", help="only so many samples")
    parser.add_argument(
        "--measure", type=positive, default=100, metavar="N", help="samples to mark the teacher on first"
    )
    parser.add_argument("--top-k", type=positive, default=16, help="logits that are kept at each token of an answer")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16", "8bit", "4bit"),
        help="of llava3d (default: what the device has room for); 8bit and 4bit need bitsandbytes",
    )
    parser.add_argument("--device", default="auto", help="auto (a GPU where there is one), cpu, cuda, cuda:1")


def _teach(options: Options) -> int:
    from distill3d_ros.training.process_group import process_group_of_torchrun
    from distill3d_ros.training.teachers.teach import make_teacher, teach
    from distill3d_ros.training.train import torch_device

    with process_group_of_torchrun(torch_device(options.device)) as group:
        teacher = make_teacher(
            options.teacher, options.model, device=options.device, top_k=options.top_k, precision=options.precision
        )
        teach(
            teacher,
            tuple(options.data),
            options.out,
            split=options.split,
            questions=options.questions,
            seed=options.seed,
            limit=options.limit or 0,
            measured=options.measure,
            group=group,
        )
    return 0


def _watch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a run that is being trained")
    parser.add_argument("--every", type=positive, default=5, metavar="SECONDS", help="how often to look")
    parser.add_argument("--once", action="store_true", help="look once, as where the output is no terminal")


def _watch(options: Options) -> int:
    from distill3d_ros.training.watch import watch_run

    watch_run(options.run_folder, every=options.every, once=options.once)
    return 0


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, help="folder of the student (default: the one in the package)")
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set")
    parser.add_argument("--out", type=Path, required=True, help="folder for report.md and report.json")
    parser.add_argument(
        "--splits", nargs="+", metavar="SPLIT", help="parts of it, such as val (default: the test splits it has)"
    )
    parser.add_argument(
        "--train-data", type=Path, metavar="DIR", help="data set from whose training split the baselines learn"
    )
    parser.add_argument("--seed", type=int, default=0, help="which questions are asked")
    parser.add_argument("--questions", type=positive, default=2000, help="questions a split, about")
    parser.add_argument("--frames", type=positive, default=600, help="frames a split, at most")
    parser.add_argument("--lenses", type=positive, metavar="ROOMS", help="also see so many rooms through 3 lenses")
    parser.add_argument("--views", type=positive, metavar="ROOMS", help="also look at so many rooms in several views")
    parser.add_argument(
        "--references", type=positive, metavar="N", help='also ask N questions a split about "the nearest chair" etc.'
    )
    parser.add_argument("--teacher", type=Path, metavar="MODEL_DIR", help="also ask this teacher of its family")
    parser.add_argument(
        "--camera-height", action="store_true", help="tell the student how high the camera stands above the floor"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where the student runs")
    parser.add_argument("--threads", type=positive, help="CPU threads")


def _evaluate(options: Options) -> int:
    from distill3d_ros.training.evaluate import evaluate

    evaluate(
        model=options.model,
        data=options.data,
        out=options.out,
        splits=options.splits,
        train_data=options.train_data,
        seed=options.seed,
        questions=options.questions,
        frames=options.frames,
        lens_rooms=options.lenses or 0,
        view_scenes=options.views or 0,
        references=options.references or 0,
        teacher=options.teacher,
        camera_height=options.camera_height,
        device=options.device,
        threads=options.threads,
    )
    return 0


# ------------------------------------------------------------------------------------------------------- answering


def _ask_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", type=Path, help="a picture")
    parser.add_argument("question", nargs="+", help="one question or several, each in quotes")
    parser.add_argument("--model", type=Path, help="folder of the student (default: the one in the package)")
    parser.add_argument("--fov", type=float, help="horizontal field of view, degrees")
    parser.add_argument("--camera", type=Path, help="calibration file as camera_calibration writes it")
    parser.add_argument("--camera-height", type=float, metavar="M", help="metres above the floor, for the scale")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--depth", type=Path, help="write the depth here (.png: 16-bit mm, .npy: metres)")
    parser.add_argument("--picture", type=Path, help="write the picture with boxes here")


def _ask(options: Options) -> int:
    from distill3d_ros.asking import ask_image

    return ask_image(options)


def _doctor(options: Options) -> int:
    from distill3d_ros.doctor import run_doctor

    return run_doctor()


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, dest="training_run", help="folder of a training run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the student that ships")
    parser.add_argument("--notes", default="", help="a paragraph for its card")
    parser.add_argument("--earlier", type=Path, help="student that the run went on from: mix in what it sees with")
    parser.add_argument("--earlier-share", type=float, default=0.3, help="its share of the average, 0 to 1")
    parser.add_argument("--report", type=Path, help="folder of its evaluation, for its card")


def _export(options: Options) -> int:
    from distill3d_ros.training.release import add_report, export_student

    if options.training_run is None and options.report is None:
        raise ValueError("export needs --run (a training run), --report (an evaluation), or both")
    if options.training_run is not None:
        export_student(
            options.training_run,
            options.out,
            notes=options.notes,
            earlier=options.earlier,
            earlier_share=options.earlier_share,
        )
    if options.report is not None:
        add_report(options.out, options.report)
    print(f"wrote {options.out}")
    return 0


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="pico", help="preset of the student")
    parser.add_argument(
        "--run", dest="first_run", action="store_true", help="also build it with random weights and time one frame"
    )


def _info(options: Options) -> int:
    from distill3d_ros.info import print_parameters

    print_parameters(options.preset, run=options.first_run)
    return 0


def _bench_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, help="folder of the student (default: the one in the package)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each stage is measured")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument(
        "--memory", type=float, metavar="MINUTES", help="measure only how a worker's memory grows while it makes rooms"
    )


def _bench(options: Options) -> int:
    from distill3d_ros.bench import run_benchmarks

    return run_benchmarks(model=options.model, seconds=options.seconds, memory=options.memory, json_file=options.json)


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder for pictures and bag")
    parser.add_argument("--model", type=Path, help="folder of the student (default: the one in the package)")
    parser.add_argument("--seed", type=int, default=7, help="which rooms")
    parser.add_argument("--questions", type=positive, default=32, help="number of questions")


def _demo(options: Options) -> int:
    from distill3d_ros.demo import run_demo

    return run_demo(out=options.out, model=options.model, seed=options.seed, questions=options.questions)


# -------------------------------------------------------------------------------------------------------- the table


def _no_arguments(parser: argparse.ArgumentParser) -> None:
    pass


COMMANDS: dict[str, Command] = {
    "ask": ("answer questions about a picture", _ask_arguments, _ask),
    "demo": ("drive a simulated robot through unseen rooms and ask, in ROS 2", _demo_arguments, _demo),
    "doctor": ("check that everything the nodes need is there", _no_arguments, _doctor),
    **DATA_COMMANDS,
    "teach": ("let a teacher answer questions about a data set", _teach_arguments, _teach),
    "train": ("train a student", _train_arguments, _train),
    "watch": ("show the curves and the expected end of a training run", _watch_arguments, _watch),
    "evaluate": ("measure a student against geometry", _evaluate_arguments, _evaluate),
    **ABLATION_COMMANDS,
    **BENCHMARK_COMMANDS,
    "export": ("put the student of a run into a folder that ships", _export_arguments, _export),
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
        print(f"distill3d: {_in_words(error)}", file=sys.stderr)
        return 2


def _in_words(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error}. `make setup` installs everything; run distill3d from .venv/bin"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
