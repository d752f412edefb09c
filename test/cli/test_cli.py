"""The command's outer manners: fast, clear about mistakes, and every module and function it names is there."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from distill3d_ros.cli import main as cli
from distill3d_ros.cli.command import Command
from distill3d_ros.cli.options import DoctorOptions
from distill3d_ros.scene.labels import LABELS


def test_help_is_quick_and_lists_every_command() -> None:
    started = time.monotonic()
    command = [sys.executable, "-m", "distill3d_ros.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 2.0
    for name in cli.COMMANDS:
        assert re.search(rf"^\W+{name.split()[0]}(?: |$)", done.stdout, re.MULTILINE), name


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_what_a_command_calls_is_there(name: str) -> None:
    """Its lazy imports work, and the calls pass what the functions take."""
    tree = ast.parse(inspect.getsource(cli.COMMANDS[name].run))
    imported = {
        alias.name: getattr(importlib.import_module(str(node.module)), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    calls = [c for c in ast.walk(tree) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)]
    calls = [c for c in calls if c.func.id in imported]  # type: ignore[attr-defined]
    assert calls
    for call in calls:
        function = imported[call.func.id]  # type: ignore[attr-defined]
        parameters = inspect.signature(function).parameters
        for keyword in call.keywords:
            assert keyword.arg in parameters, f"{function.__name__} takes no {keyword.arg}"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("rooms must be at least 1. Got 0"), "distill3d: rooms must be at least 1. Got 0\n"),
        (FileNotFoundError(2, "No such file or directory", "a.png"), "distill3d: a.png: No such file or directory\n"),
        (OSError(28, "No space left on device", "out.tar"), "distill3d: out.tar: No space left on device\n"),
    ],
)
def test_an_error_is_one_line(
    error: Exception, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: DoctorOptions) -> int:
        raise error

    monkeypatch.setitem(cli.COMMANDS, "doctor", Command("", DoctorOptions, fail))
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == text
    for words in (["doctor", "--debug"], ["--debug", "doctor"]):
        assert cli.main(words) == 2
        assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(options: DoctorOptions) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    monkeypatch.setitem(cli.COMMANDS, "doctor", Command("", DoctorOptions, interrupted))
    assert cli.main(["doctor"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


@pytest.mark.parametrize("words", [["--rooms", "0"], ["--rooms", "many"], ["--rooms", "3", "--size", "224"]])
def test_bad_numbers_are_refused_by_name(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "generate", "--out", str(tmp_path), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(r"distill3d: Invalid value for --\w+: must be a whole number of at least 1\. Got '\w*'", line)
    assert line.endswith(" (see distill3d data generate --help)")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "",
            "a command must follow distill3d: ask, demo, doctor, data, teach, train, evaluate, calibrate, export,",
        ),
        (
            "data import",
            "a command must follow distill3d data import: scannet, nyuv2, rgbd, pictures, 3d-front (see distill3d",
        ),
        ("evalute", 'Unknown command "evalute". Did you mean "evaluate"?'),
        ("nothing", "evaluate, calibrate, export, ablate, results, benchmark, info, bench. (see distill3d --help)"),
        ("info --prset pico", "Unknown option: --prset. Did you mean --preset?"),
        ("ask a.png what? --device cpu", "Unknown option: --device."),
        ("ask a.png", "QUESTION is missing; ask needs IMAGE, QUESTION. (see distill3d ask --help)"),
        ("train --config a.yaml --out b", "--data is missing; train needs --data, --config, --out."),
        ("train --config a.yaml --out b --dta c", "Unknown option: --dta. Did you mean --data?"),
        ("train --config a.yaml --out b --data", 'Command "train" parameter --data requires an argument.'),
        ("demo --seed", 'Command "demo" parameter --seed requires an argument.'),
        ("evaluate --data a --out b --seed -1", 'Invalid value "-1" for --seed. Must be >= 0. (see distill3d evaluate'),
        ("demo --seed one", 'Invalid value for --seed: unable to convert "one" into int.'),
        ("data verify a b", "unexpected: b. (see distill3d data verify --help)"),
        ("evaluate --data a --out b --device tpu", 'Choose from: "auto", "cpu", "cuda".'),
        ("ablate --config a --data b --out c --seeds 1,1", "must be different whole numbers with commas between. Got"),
        ("data show a --plain --model b", "only one of model, plain, relations may be given. Got model, plain"),
        ("export --out a", "export needs --run (a training run), --report (an evaluation), or --onnx"),
        ("export --out a --run b --data c", "needs --report, the folder for what it finds"),
    ],
)
def test_slips_of_the_finger_are_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("distill3d: ")
    assert message in line


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_help_tells_each_option_with_its_default(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*name.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: distill3d {name}")
    for flag, default, text in cli.flags(name):
        assert flag.split()[-1] in said
        assert default.split()[0] in said if default else True
        assert text[:1].isupper() or text.startswith("auto"), (flag, text)
        assert text.endswith("."), (flag, text)


def test_options_may_be_repeated_mixed_and_cut_off() -> None:
    """As they have been typed ever since: words with several values, repeated flags, ``=``, and ``--``."""
    _, train = cli.parse(
        ["train", "--config", "c.yaml", "--data", "a", "--data=b", "--out", "o", "--wait", "seed=3", "joint.steps=5"]
    )
    assert (train.data, train.overrides) == ((Path("a"), Path("b")), ("seed=3", "joint.steps=5"))
    _, show = cli.parse(["data", "show", "folder", "--relations", "touching", "on", "against", "--count", "4"])
    assert (show.relations, show.count, show.data) == (("touching", "on", "against"), 4, Path("folder"))
    _, made = cli.parse(["data", "generate", "--rooms", "train=2,val=1", "--out", "o", "--size", "64x48"])
    assert (made.rooms, made.size) == ({"train": 2, "val": 1}, (64, 48))
    _, asked = cli.parse(["ask", "a.png", "Is it so?", "And so?", "--json", "--camera-height", "-1"])
    assert (asked.question, asked.json, asked.camera_height) == (("Is it so?", "And so?"), True, -1.0)
    _, asked = cli.parse(["ask", "--", "a.png", "--what?"])
    assert asked.question == ("--what?",)
    assert cli.parse(["ablate", "--config", "c", "--data", "d", "--out", "o", "--seeds", "0,2", "--only", "a", "b"])[
        1
    ].only == ("a", "b")


def test_what_one_frame_costs_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "--preset", "pico", "--run"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    found = re.search(r"one frame of 288 x 224, bfloat16.*perception ([\d.]+) s.*peak memory ([\d.]+) GiB", said)
    assert found is not None, said
    assert 0 < float(found[1]) < 60
    assert 0.1 < float(found[2]) < 20


def test_the_parameter_table_is_that_of_the_student_that_ships() -> None:
    from distill3d_ros.cli.info import parameter_counts
    from distill3d_ros.engine.engine import packaged_model
    from distill3d_ros.student.checkpoint import read_description
    from distill3d_ros.student.presets import PRESETS
    from distill3d_ros.training.start.vocabulary import new_tokenizer

    shipped = read_description(packaged_model())
    counts = dict(parameter_counts("pico", shipped["student"]["labels"]))
    # A student keeps the vocabulary that it began with; one that begins now knows today's wordings.
    language = PRESETS["pico"](LABELS).language
    words = new_tokenizer(language.vocab_size, end_token=language.end_token).get_vocab_size()
    had = Tokenizer.from_file(str(packaged_model() / "tokenizer.json")).get_vocab_size()
    assert counts["total"] - (words - had) * language.dim == shipped["parameters"]
    assert counts["total"] == sum(count for name, count in counts.items() if name != "total")


def test_the_paper_counts_as_published() -> None:
    """VGGT-1B's aggregator and depth head, and Sheared-LLaMA-1.3B."""
    from distill3d_ros.cli.info import parameter_counts

    counts = dict(parameter_counts("paper"))
    assert sum(count for name, count in counts.items() if name.startswith("encoder")) == 909_112_320
    assert counts["depth_head.dpt"] == 32_654_562
    assert counts["language.model"] + counts["language.output"] == 1_345_423_360


def test_an_unknown_preset_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "--preset", "huge"]) == 2
    assert "preset must be one of pico" in capsys.readouterr().err
