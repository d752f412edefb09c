"""From a run to the folder that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from random_student import save_random_student

from distill3d_ros.student.checkpoint import load_student, read_description, save_student
from distill3d_ros.training.release import add_report, export_student


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    save_random_student(folder / "plain")  # its weights are exact in float16, so no rounding hides a mistake
    student = load_student(folder / "plain")
    for stage in ("perception", "joint"):
        save_student(folder / stage / "student", student, {"stage": stage, "steps": 3, "minutes": 1, "seed": 0})
    return folder


def test_export_halves_the_weights_and_keeps_the_history(run: Path, tmp_path: Path) -> None:
    out = export_student(run, tmp_path / "ship", notes="A short run.")
    description = read_description(out)
    assert description["dtype"] == "float16"
    assert [stage["stage"] for stage in description["card"]["stages"]] == ["perception", "joint"]
    card = (out / "README.md").read_text()
    assert "A short run." in card
    assert "| joint | 3 | 1 | 0 |" in card
    stored = load_student(out).state_dict()
    for name, tensor in load_student(run / "joint" / "student").state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(stored[name], tensor.half().float(), rtol=0, atol=0)
    assert (out / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_a_run_without_a_student_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no student yet"):
        export_student(tmp_path, tmp_path / "ship")


def test_a_report_about_other_weights_is_refused(run: Path, tmp_path: Path) -> None:
    out = export_student(run, tmp_path / "ship")
    report = tmp_path / "report"
    report.mkdir()
    (report / "report.md").write_text("# Evaluation\n\nfigures\n")
    (report / "report.json").write_text(json.dumps({"model_sha256": "0" * 64}))
    with pytest.raises(ValueError, match="is about the weights 0000000000000000"):
        add_report(out, report)
    sha = read_description(out)["sha256"]["model.safetensors"]
    (report / "report.json").write_text(json.dumps({"model_sha256": sha}))
    add_report(out, report)
    assert "## Evaluation" in (out / "README.md").read_text()
