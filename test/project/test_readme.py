"""What the README says is what the code does: topics, parameters, commands, presets, make targets."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from distill3d_ros.cli import main as cli
from distill3d_ros.cli.info import parameter_counts
from distill3d_ros.nodes.parameters import CAMERA_SETTINGS, SPATIAL_SETTINGS, Setting
from distill3d_ros.questions.description import asks_for_description
from distill3d_ros.questions.parsing import parse
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.presets import PRESETS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table_after(heading: str) -> list[list[str]]:
    """Rows of the first table below a heading, cells stripped; the table's head and rule left out."""
    section = README.split(f"\n{heading}\n", 1)
    assert len(section) == 2, f"README.md has no heading '{heading}'"
    lines = section[1].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows[2:]


def setting_row(setting: Setting) -> list[str]:
    notes = setting.description.replace("|", "\\|")
    if setting.choices:
        shown = [c or json.dumps(c) for c in setting.choices]
        notes += " One of " + ", ".join(f"`{c}`" for c in shown) + "."
    if setting.low is not None:
        notes += f" {setting.low:,.10g} to {setting.high:,.10g}."
    plain = isinstance(setting.default, str) and setting.default
    default = setting.default if plain else json.dumps(setting.default)
    return [f"`{setting.name}`" + ("" if setting.live else " *"), f"`{default}`", notes]


def as_table(rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@pytest.mark.parametrize(
    ("heading", "settings"),
    [("### Parameters of `spatial_node`", SPATIAL_SETTINGS), ("### Parameters of `camera_node`", CAMERA_SETTINGS)],
)
def test_parameters(heading: str, settings: tuple[Setting, ...]) -> None:
    expected = [setting_row(s) for s in settings]
    assert table_after(heading) == expected, f"the table should read\n{as_table(expected)}"


def topics_in_code(room: str) -> set[str]:
    """Every constant that a publisher, subscription or service of this room is made with."""
    makers = ("create_publisher", "create_lifecycle_publisher", "create_subscription", "create_service", "_publisher")
    found: set[str] = set()
    for file in (ROOT / "distill3d_ros" / "nodes" / room).glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assigned = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)]
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Attribute) and call.func.attr in makers and len(call.args) > 1:
                topic = call.args[1]
                places = [topic]
                if isinstance(topic, ast.Name):
                    places = [n.value for n in assigned if ast.unparse(n.targets[0]) == topic.id]
                texts = [n.value for place in places for n in ast.walk(place) if isinstance(n, ast.Constant)]
                found |= {text for text in texts if isinstance(text, str)}
    return found


@pytest.mark.parametrize(
    ("heading", "room"),
    [
        ("### Topics of `spatial_node`", "spatial"),
        ("### Topics of `camera_node`", "camera"),
    ],
)
def test_topics(heading: str, room: str) -> None:
    listed = {re.findall(r"`([^`]+)`", row[0])[0] for row in table_after(heading)}
    assert listed == topics_in_code(room)


def test_commands() -> None:
    listed = [(row[0].strip("`"), row[1]) for row in table_after("## Commands")]
    assert listed == [(f"distill3d {name}", text) for name, (text, _, _) in cli.COMMANDS.items()]


def shell_lines() -> list[str]:
    blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", README, re.DOTALL)
    return [line.split(" # ")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def test_every_distill3d_line_is_understood() -> None:
    lines = [line for line in shell_lines() if "distill3d " in line and not line.startswith(("ros2", "#"))]
    assert lines
    for line in lines:
        words = shlex.split(line)
        start = next(i for i, word in enumerate(words) if Path(word).name == "distill3d")
        options = cli.make_parser().parse_args(words[start + 1 :])
        assert isinstance(options, argparse.Namespace), line


def test_every_make_line_has_its_target() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {line.split()[1] for line in shell_lines() if line.startswith("make ")}
    assert {"demo", "test"} <= named <= targets


def test_presets() -> None:
    rows = {row[0].strip("`"): row for row in table_after("## Presets")}
    assert set(rows) == set(PRESETS)
    for name, row in rows.items():
        millions = dict(parameter_counts(name))["total"] / 1e6
        assert row[1] == f"{millions:.1f} M"


def test_the_class_list_is_the_students() -> None:
    text = (ROOT / "docs" / "student.md").read_text(encoding="utf-8")
    listed = text.split("## What it sees: the class list\n\n")[1].split(".\n")[0]
    assert listed.replace("\n", " ").split(", ") == list(LABELS)


def test_files_that_are_named_are_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_launch_arguments_are_there() -> None:
    launch = (ROOT / "launch" / "distill3d.launch.yaml").read_text(encoding="utf-8")
    for line in shell_lines():
        if "launch" in line:
            for name in re.findall(r"(\w+):=", line):
                assert re.search(rf"name: {name}\b", launch), line


def test_the_parameter_file_holds_the_defaults() -> None:
    content = yaml.safe_load((ROOT / "config" / "spatial_node.yaml").read_text(encoding="utf-8"))
    defaults = {s.name: s.default for s in SPATIAL_SETTINGS}
    given = content["/**"]["ros__parameters"]
    assert given == {name: defaults[name] for name in given}


QUESTION = re.compile(r"(?:Is|Are|Does|Do|Which|What|How)\b[^?|*\"']*\?")


@pytest.mark.parametrize("file", ["README.md", "docs/student.md"])
def test_every_question_that_is_shown_is_understood(file: str) -> None:
    text = " ".join((ROOT / file).read_text(encoding="utf-8").split())
    questions = QUESTION.findall(text)
    assert len(questions) >= (5 if file == "README.md" else 20)
    for question in questions:
        assert parse(question) is not None or asks_for_description(question), question


def test_figures_at_the_top() -> None:
    """They are those of the model's card, and of the reports about real pictures."""
    top = " ".join(README.split("## Two commands", 1)[0].split())
    card = (ROOT / "models" / "pico" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| unseen rooms, (?:known|unseen) furniture \|(.*)\|$", card, re.MULTILINE)
    known, unseen = ([float(cell.split()[0]) for cell in row.split("|")] for row in rows)

    def percent(share: float) -> str:
        return f"{100 * share:.0f}"

    assert f"answers {percent(known[1])} % of balanced questions" in top
    assert f"and {percent(unseen[1])} % about furniture it does not" in top
    assert f"on its own boxes: {percent(known[2])} and {percent(unseen[2])};" in top
    assert f"only the question: {percent(unseen[4])})" in top
    assert f"depth error of {percent(known[6])} and {percent(unseen[6])} %" in top
    real = [
        json.loads((ROOT / "docs" / "results" / name / "report.json").read_text())["depth"]["absrel"]
        for name in ("real_room", "real_room_height")
    ]
    assert f"its depth is off by {percent(real[0])} %;" in top
    assert f"how high the camera stands, by {percent(real[1])} %." in top


def test_page_of_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that the page names makes the page, from the files beside it."""
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    written = re.search(r"^Written by `(distill3d results [^`]+)`", page, re.MULTILINE)
    assert written
    command = shlex.split(written[1])
    again = tmp_path / "results.md"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", command)
    assert cli.main([*command[1 : command.index("--out")], "--out", str(again)]) == 0
    assert again.read_text(encoding="utf-8") == page
    assert {p.relative_to(tmp_path) for p in tmp_path.rglob("*.png")} <= {
        p.relative_to(ROOT / "docs") for p in (ROOT / "docs" / "results").rglob("*.png")
    }
