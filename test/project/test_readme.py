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
    """Those of the reports about it, which are about its weights."""
    readme = " ".join(read_page("README.md").split())
    reports = {
        name: json.loads(read_page(f"docs/results/{name}/report.json"))
        for name in ("nyu_pico", "rooms_pico", "ten_pico", "ten_height_pico")
    }
    described = json.loads(read_page("models/pico/config.json"))
    assert {r["model_sha256"] for r in reports.values()} == {described["sha256"]["model.safetensors"]}

    real = reports["nyu_pico"]["splits"]["test"]
    assert f"On its {reports['nyu_pico']['frames']} test frames" in readme
    assert f"AbsRel {percent(real['depth']['absrel'])} %, delta1 {percent(real['depth']['delta1'])} %." in readme
    assert f"answers {percent(real['accuracy'])} % of {real['questions']} balanced questions" in readme
    assert f"rules on its own boxes answer {percent(real['rules'])} %" in readme
    assert f"the commonest answer {percent(real['majority'])} %" in readme
    assert f"a guesser that reads only the question {percent(real['question_only'])} %" in readme
    assert f"confidence is off by {percent(real['calibration']['ece'])} points" in readme
    existence = real["real"]["existence"]
    absent, present = (existence[k]["rate"] for k in ("absent_called_present", "present_called_absent"))
    assert f"it calls {percent(absent)} % of absent things present and {percent(present)} % of those" in readme
    assert f"mAP@0.5 {real['real']['boxes_2d']['map50']:.2f}" in readme

    known, unseen = (reports["rooms_pico"]["splits"][split] for split in ("test_known", "test_unseen"))
    said = f"answers {percent(known['accuracy'])} % about furniture it knows and {percent(unseen['accuracy'])} % about"
    assert said in readme
    depths = (known["depth"]["absrel"], unseen["depth"]["absrel"])
    assert f"with an AbsRel of {percent(depths[0])} and {percent(depths[1])} %" in readme
    synthetic = {
        name: json.loads(read_page(f"docs/results/{name}_pico_synthetic/report.json"))["splits"]
        for name in ("nyu", "rooms")
    }
    said = (
        f"answers {percent(synthetic['rooms']['test_known']['accuracy'])} and "
        f"{percent(synthetic['rooms']['test_unseen']['accuracy'])} % in simulated rooms, and "
        f"{percent(synthetic['nyu']['test']['accuracy'])} % in those of NYU, with an AbsRel of "
        f"{percent(synthetic['nyu']['test']['depth']['absrel'])} %."
    )
    assert said in readme
    ten, height = (reports[name]["depth"]["absrel"] for name in ("ten_pico", "ten_height_pico"))
    assert f"its depth is off by {percent(ten)} %;" in readme
    assert f"camera's height known, by {percent(height)} %." in readme
    assert f"names {len(described['student']['labels'])} kinds of things" in readme
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
