"""The commands ``distill3d`` has from a teacher and rooms to a student: teach, train, evaluate, export."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from distill3d_ros.cli.arguments import Command, Options, add_mixed_data, add_student, add_where_it_runs, positive


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="training configuration (YAML)")
    add_mixed_data(parser)
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
    """The command line, for the card of the student."""
    count = int(os.environ.get("WORLD_SIZE", "1"))  # of torchrun
    starter = ["torchrun", "--nproc-per-node", str(count), "--no-python"] if count > 1 else []
    return shlex.join([*starter, "distill3d", *sys.argv[1:]])


def _teach_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = ("privileged", "llava3d", "transformers_vlm")
    parser.add_argument("--teacher", required=True, choices=kinds, help="what kind of model it is")
    parser.add_argument("--model", required=True, help="its folder, or its id on a hub with @revision")
    add_mixed_data(parser)
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
    from distill3d_ros.system.device import torch_device
    from distill3d_ros.training.loop.process_group import process_group_of_torchrun
    from distill3d_ros.training.teachers.teach import make_teacher, teach

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


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add_student(parser)
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
    add_where_it_runs(parser)


def _evaluate(options: Options) -> int:
    from distill3d_ros.training.evaluation.evaluate import evaluate

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


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, dest="training_run", help="folder of a training run")
    parser.add_argument("--out", type=Path, required=True, help="folder of the student that ships")
    parser.add_argument("--notes", default="", help="a paragraph for its card")
    parser.add_argument("--earlier", type=Path, help="student that the run went on from: mix in what it sees with")
    parser.add_argument("--earlier-share", type=float, default=0.3, help="its share of the average, 0 to 1")
    parser.add_argument("--report", type=Path, help="folder of its evaluation, for its card")
    parser.add_argument("--data", type=Path, help="measure it on this data set first, into --report, as evaluate does")
    parser.add_argument("--teacher", type=Path, metavar="MODEL_DIR", help="with --data: also ask this teacher")


def _export(options: Options) -> int:
    from distill3d_ros.training.evaluation.evaluate import evaluate
    from distill3d_ros.training.evaluation.release import add_report, export_student

    if options.data is not None and options.report is None:
        raise ValueError("export --data measures the student and needs --report, the folder for what it finds")
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
    if options.data is not None:
        evaluate(model=options.out, data=options.data, out=options.report, teacher=options.teacher)
    if options.report is not None:
        add_report(options.out, options.report)
    print(f"wrote {options.out}")
    return 0


TRAINING_COMMANDS: dict[str, Command] = {
    "teach": ("let a teacher answer questions about a data set", _teach_arguments, _teach),
    "train": ("train a student", _train_arguments, _train),
    "evaluate": ("measure a student against geometry", _evaluate_arguments, _evaluate),
    "export": ("put the student of a run into a folder that ships", _export_arguments, _export),
}
