"""The README: short, its figures those of the card and the reports, its commands and files there."""

from __future__ import annotations

import json
import re
import sys

import pytest
import yaml
from support.markdown import PAGES, ROOT, questions_in, read_page, shell_lines, table_after

from distill3d_ros.cli.performance_page import performance_page
from distill3d_ros.questions.description import asks_for_description
from distill3d_ros.questions.parsing import parse

sys.path.insert(0, str(ROOT / "scripts"))

import latency_table

LONGEST_README = 130


def percent(share: float) -> str:
    return f"{100 * share:.0f}"


def test_it_is_read_in_two_minutes() -> None:
    assert len(read_page("README.md").splitlines()) <= LONGEST_README


def test_figures_of_the_shipped_student() -> None:
    """Those of its card, of the page about it, and of the reports about real pictures."""
    readme = " ".join(read_page("README.md").split())
    card = read_page("models/pico/README.md")
    rows = re.findall(r"^\| unseen rooms, (?:known|unseen) furniture \|(.*)\|$", card, re.MULTILINE)
    known, unseen = ([float(cell.split()[0]) for cell in row.split("|")] for row in rows)
    assert f"answers {percent(known[1])} % of balanced questions" in readme
    assert f"and {percent(unseen[1])} % about furniture it does not" in readme
    assert f"on its own boxes answer {percent(known[2])} and {percent(unseen[2])} %," in readme
    assert f"a guesser that reads only the question {percent(unseen[4])} %" in readme
    with_height = [
        float(row[1])
        for row in table_after(read_page("docs/student.md"), "### The camera's height gives the scale")
        if row[0] == "with the height"
    ]
    depth = (
        f"depth error (AbsRel) is {percent(known[6])} and {percent(unseen[6])} %; with the camera's height known, "
        f"{percent(with_height[0])} and {percent(with_height[1])} %."
    )
    assert depth in readme
    real = [
        json.loads(read_page(f"docs/results/{name}/report.json"))["depth"]["absrel"]
        for name in ("real_room", "real_room_height")
    ]
    assert f"its depth is off by {percent(real[0])} %;" in readme
    assert f"with the camera's height known, by {percent(real[1])} %." in readme
    taught = json.loads(read_page("docs/results/distilled/report.json"))["teacher"]
    assert taught["retention_interval"][1] >= 1, "the README says that the teacher answers no more than its student"
    assert (
        f"names {len(json.loads(read_page('models/pico/config.json'))['student']['labels'])} kinds of things" in readme
    )
    assert len(table_after(read_page("docs/student.md"), "## What can be asked")) == 9
    assert "nine families of questions" in readme


def test_the_latency_table_is_that_of_the_measured_figures() -> None:
    figures = json.loads(latency_table.FIGURES.read_text(encoding="utf-8"))
    expected = latency_table.latency_table(figures)
    assert expected in read_page("README.md"), f"run scripts/latency_table.py; the table should read\n{expected}"
    assert not re.search(r"/home|/root|/work|/tmp", json.dumps(figures))


def test_the_performance_page_is_that_of_the_measured_figures() -> None:
    figures = json.loads(latency_table.FIGURES.read_text(encoding="utf-8"))
    assert read_page("docs/performance.md") == performance_page(figures), "make bench writes both"


def test_every_make_line_has_its_target() -> None:
    targets = set(re.findall(r"^(\w+):", read_page("Makefile"), re.MULTILINE))
    named = {line.split()[1] for line in shell_lines(read_page("README.md")) if line.startswith("make ")}
    assert {"demo", "test"} <= named
    everywhere = {name for page in PAGES for name in re.findall(r"`make (\w+)[^`]*`", page.read_text(encoding="utf-8"))}
    assert named | everywhere <= targets


@pytest.mark.parametrize("page", ["README.md", "docs/ros.md"])
def test_launch_arguments_are_there(page: str) -> None:
    entries = yaml.safe_load(read_page("launch/distill3d.launch.yaml"))["launch"]
    arguments = {entry["arg"]["name"] for entry in entries if "arg" in entry}
    lines = [line for line in shell_lines(read_page(page)) if line.startswith("ros2 launch ")]
    assert lines
    for line in lines:
        assert set(re.findall(r"(\w+):=", line)) <= arguments, line
        package, file = line.split()[2:4]
        assert package == "distill3d_ros"
        assert (ROOT / "launch" / file).is_file()


@pytest.mark.parametrize(("page", "at_least"), [("README.md", 5), ("docs/student.md", 20), ("docs/cli.md", 3)])
def test_every_question_that_is_shown_is_understood(page: str, at_least: int) -> None:
    questions = questions_in(read_page(page))
    assert len(questions) >= at_least
    for question in questions:
        assert parse(question) is not None or asks_for_description(question), question
