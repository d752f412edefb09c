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
from distill3d_ros.scene.labels import LABELS


def test_help_is_quick_and_lists_every_command() -> None:
    started = time.monotonic()
    command = [sys.executable, "-m", "distill3d_ros.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 2.0
    for name in cli.COMMANDS:
        assert re.search(rf"^ +{name.split()[0]}(?: |$)", done.stdout, re.MULTILINE), name


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_what_a_command_calls_is_there(name: str) -> None:
    """Its lazy imports work, and the calls pass what the functions take."""
    tree = ast.parse(inspect.getsource(cli.COMMANDS[name][2]))
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
    def fail(options: cli.Options) -> int:
        raise error

    monkeypatch.setitem(cli.COMMANDS, "doctor", ("", cli._no_arguments, fail))
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == text
    assert cli.main(["doctor", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(options: cli.Options) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    monkeypatch.setitem(cli.COMMANDS, "doctor", ("", cli._no_arguments, interrupted))
    assert cli.main(["doctor"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"


@pytest.mark.parametrize("words", [["--rooms", "0"], ["--rooms", "many"], ["--rooms", "3", "--size", "224"]])
def test_bad_numbers_are_refused_by_name(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["data", "generate", "--out", str(tmp_path), *words])
    assert stopped.value.code == 2
    assert "must be a whole number of at least 1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


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

    counts = dict(parameter_counts("pico"))
    shipped = read_description(packaged_model())
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
