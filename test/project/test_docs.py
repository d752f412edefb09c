"""The pages in docs are what the code does: topics, parameters, messages, commands, presets, classes, results."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from pathlib import Path

import cv2
import pytest
import yaml
from support.markdown import PAGES, ROOT, as_table, code_blocks, read_page, section, shell_lines, table_after

from distill3d_ros.cli import main as cli
from distill3d_ros.cli.info import parameter_counts
from distill3d_ros.nodes.parameters import CAMERA_SETTINGS, SPATIAL_SETTINGS, Setting
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.presets import PRESETS

sys.path.insert(0, str(ROOT / "scripts"))

import options_page

ROS = read_page("docs/ros.md")

# ------------------------------------------------------------------------------------------------------------- ROS


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


@pytest.mark.parametrize(
    ("heading", "settings"),
    [("### Parameters of `spatial_node`", SPATIAL_SETTINGS), ("### Parameters of `camera_node`", CAMERA_SETTINGS)],
)
def test_parameters(heading: str, settings: tuple[Setting, ...]) -> None:
    expected = [setting_row(s) for s in settings]
    assert table_after(ROS, heading) == expected, f"the table should read\n{as_table(expected)}"


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
    ("heading", "room"), [("### Topics of `spatial_node`", "spatial"), ("### Topics of `camera_node`", "camera")]
)
def test_topics(heading: str, room: str) -> None:
    listed = {re.findall(r"`([^`]+)`", row[0])[0] for row in table_after(ROS, heading)}
    assert listed == topics_in_code(room)


def fields_of(definition: str, part: int = 0) -> list[tuple[str, str]]:
    """(name, type) of each field of a message, or of one part of a service; constants left out."""
    text = (ROOT / "distill3d_interfaces" / definition).read_text(encoding="utf-8")
    lines = [line.split("#")[0].split() for line in text.split("\n---\n")[part].splitlines()]
    return [(words[1], words[0]) for words in lines if len(words) == 2 and "=" not in words[1]]


@pytest.mark.parametrize(
    ("heading", "definition", "part"),
    [
        ("### SpatialAnswer", "msg/SpatialAnswer.msg", 0),
        ("### SpatialObject", "msg/SpatialObject.msg", 0),
        ("### SpatialObjectArray", "msg/SpatialObjectArray.msg", 0),
        ("### Request of AskSpatial", "srv/AskSpatial.srv", 0),
        ("### Response of AskSpatial", "srv/AskSpatial.srv", 1),
    ],
)
def test_message_fields(heading: str, definition: str, part: int) -> None:
    listed = [(row[0].strip("`"), row[1].strip("`")) for row in table_after(ROS, heading)]
    assert listed == fields_of(definition, part)
    assert all(row[2] for row in table_after(ROS, heading))


def test_every_message_has_its_table() -> None:
    for file in (ROOT / "distill3d_interfaces" / "msg").glob("*.msg"):
        assert f"\n### {file.stem}\n" in ROS


def test_launch_arguments() -> None:
    entries = yaml.safe_load(read_page("launch/distill3d.launch.yaml"))["launch"]
    share = "$(find-pkg-share distill3d_ros)/"
    expected = [
        [f"`{a['name']}`", f"`{a['default'].removeprefix(share) or json.dumps('')}`", a["description"]]
        for a in (entry["arg"] for entry in entries if "arg" in entry)
    ]
    assert table_after(ROS, "## Launch") == expected, f"the table should read\n{as_table(expected)}"


def test_the_parameter_file_holds_the_defaults() -> None:
    content = yaml.safe_load(read_page("config/spatial_node.yaml"))
    defaults = {s.name: s.default for s in SPATIAL_SETTINGS}
    given = content["/**"]["ros__parameters"]
    assert given == {name: defaults[name] for name in given}


# -------------------------------------------------------------------------------------------------------- commands


def test_commands() -> None:
    listed = [(row[0].strip("`"), row[1]) for row in table_after(read_page("docs/cli.md"), "# The command `distill3d`")]
    assert listed == [(f"distill3d {name}", command.help) for name, command in cli.COMMANDS.items()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_distill3d_line_is_understood(page: Path) -> None:
    understood = 0
    for line in shell_lines(page.read_text(encoding="utf-8")):
        words = shlex.split(line)
        if line.startswith("ros2") or not any(Path(word).name in ("distill3d", "distill3d_ros.cli") for word in words):
            continue
        start = next(i for i, word in enumerate(words) if Path(word).name in ("distill3d", "distill3d_ros.cli"))
        assert cli.parse(words[start + 1 :]) is not None, line
        understood += 1
    assert understood or page.name not in ("README.md", "cli.md", "data_sets.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_command_in_the_text_is_there(page: Path) -> None:
    names = {name.split()[0] for name in cli.COMMANDS}
    groups = {f"data {name.split()[1]}" for name in cli.COMMANDS if name.startswith("data ")}
    for command in re.findall(r"`distill3d ((?:data )?[a-z0-9-]+)[^`]*`", page.read_text(encoding="utf-8")):
        assert command in names | groups, command


def test_page_of_options() -> None:
    """The script that the page names makes the page, from the commands."""
    assert read_page("docs/cli_options.md") == options_page.options_page(), "run python scripts/options_page.py"


def test_options_that_are_named_are_there() -> None:
    known = {word for name in cli.COMMANDS for words, _, _ in cli.flags(name) for word in words.split(", ")}
    known |= {"--help", "--debug", "--base-paths", "--nproc-per-node", "--no-python", "--no-deps"}
    known |= {"--label_map", "--id"}  # of ScanNet's script
    known |= {"--minutes"}  # of scripts/soak
    for page in PAGES:
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", page.read_text(encoding="utf-8")))
        assert named <= known, page.name


def test_configurations_that_commands_name_are_there() -> None:
    for page in PAGES:
        for file in re.findall(r"\bconfig/[\w/]+\.(?:yaml|xml|rviz)\b", page.read_text(encoding="utf-8")):
            assert (ROOT / file).is_file(), f"{page.name}: {file}"


# ----------------------------------------------------------------------------------------------------- the student


def test_presets() -> None:
    rows = {row[0].strip("`"): row for row in table_after(read_page("docs/student.md"), "## Presets")}
    assert set(rows) == set(PRESETS)
    for name, row in rows.items():
        millions = dict(parameter_counts(name))["total"] / 1e6
        assert row[1] == f"{millions:.1f} M"


def test_the_class_list_is_the_students() -> None:
    listed = section(read_page("docs/student.md"), "## The class list").strip().split(".\n")[0]
    assert listed.replace("\n", " ").split(", ") == list(LABELS)


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real picture, the first of the last row of docs/perception.png, with the student that ships."""
    sheet = cv2.imread(str(ROOT / "docs" / "perception.png"))
    cv2.imwrite(str(tmp_path / "kitchen.jpg"), sheet[831:, :174])
    monkeypatch.chdir(tmp_path)
    (example,) = code_blocks(read_page("docs/python.md"), "python")
    found: dict[str, object] = {}
    exec(compile(example, "docs/python.md", "exec"), found)
    scene, answer = found["scene"], found["answer"]
    assert scene.depth.shape == found["image"].shape[:2]  # type: ignore[attr-defined]
    assert answer.text  # type: ignore[attr-defined]
    assert 0 <= answer.confidence <= 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["results.md", "results_real.md"])
def test_pages_of_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The command that a page names makes the page, from the files beside it."""
    page = read_page(f"docs/{name}")
    written = re.search(r"^Written by `(distill3d results [^`]+)`", page, re.MULTILINE)
    assert written
    command = shlex.split(written[1])
    again = tmp_path / name
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", command)
    assert cli.main([*command[1 : command.index("--out")], "--out", str(again)]) == 0
    assert again.read_text(encoding="utf-8") == page
    assert {p.relative_to(tmp_path) for p in tmp_path.rglob("*.png")} <= {
        p.relative_to(ROOT / "docs") for p in (ROOT / "docs" / "results").rglob("*.png")
    }
