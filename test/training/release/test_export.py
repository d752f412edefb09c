"""From a run to the folder that ships."""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.nyuv2_file import nyu_folder
from support.random_student import save_random_student
from support.training.tiny_training import data_folder, tiny_config

from distill3d_ros.cli.main import main
from distill3d_ros.student.checkpoint import load_student, read_description, save_student
from distill3d_ros.student.student import Student
from distill3d_ros.training.data.sample import SIMULATED_SPLITS
from distill3d_ros.training.data.shards import ShardReader
from distill3d_ros.training.evaluation.evaluation_options import ExportOptions
from distill3d_ros.training.evaluation.teacher_report import teacher_lines
from distill3d_ros.training.release.export import add_report, export_student
from distill3d_ros.training.start.initial_student import new_student


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    save_random_student(folder / "plain")  # its weights are exact in float16, so no rounding hides a mistake
    student = load_student(folder / "plain")
    for stage in ("perception", "joint"):
        save_student(folder / stage / "student", student, {"stage": stage, "steps": 3, "minutes": 1, "seed": 0})
    return folder


def test_export_halves_the_weights_and_keeps_the_history(run: Path, tmp_path: Path) -> None:
    out = export_student(ExportOptions(run=run, out=tmp_path / "ship", notes="A short run."))
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


def test_what_sees_is_averaged_with_an_earlier_student_and_language_is_not(run: Path, tmp_path: Path) -> None:
    earlier = load_student(run / "plain")
    with torch.no_grad():
        for parameter in earlier.parameters():
            parameter.add_(1.0)
    save_student(tmp_path / "earlier", earlier)
    out = export_student(
        ExportOptions(run=run, out=tmp_path / "ship", earlier=tmp_path / "earlier", earlier_share=0.25)
    )
    mixed, own = load_student(out).state_dict(), load_student(run / "joint" / "student").state_dict()
    for name in ("encoder.patch_embed.stem.weight", "detection_head.norm_out.weight", "depth_head.output.bias"):
        torch.testing.assert_close(mixed[name], own[name] + 0.25, rtol=0, atol=2e-3)
    words = [name for name in own if name.startswith("language.") and own[name].is_floating_point()]
    assert words
    for name in words:
        torch.testing.assert_close(mixed[name], own[name].half().float(), rtol=0, atol=0)


def test_an_earlier_student_of_fewer_classes_is_grown_before_it_is_mixed_in(run: Path, tmp_path: Path) -> None:
    own = load_student(run / "plain")
    fewer = replace(own.config, labels=own.config.labels[:-3])
    earlier = Student(fewer, own.language.tokenizer)
    save_student(tmp_path / "earlier", earlier)
    out = export_student(ExportOptions(run=run, out=tmp_path / "ship", earlier=tmp_path / "earlier", earlier_share=0.5))
    mixed = load_student(out)
    assert mixed.config.labels == own.config.labels
    expected = own.encoder.patch_embed.stem.weight.lerp(earlier.encoder.patch_embed.stem.weight, 0.5)
    torch.testing.assert_close(mixed.encoder.patch_embed.stem.weight, expected, rtol=0, atol=2e-3)


def test_a_student_of_another_shape_or_no_share_cannot_be_mixed_in(run: Path, tmp_path: Path) -> None:
    own = load_student(run / "plain")
    config = replace(own.config, detection=replace(own.config.detection, hidden=24))
    save_student(tmp_path / "wider", Student(config, own.language.tokenizer))
    with pytest.raises(ValueError, match="only students of one shape can be mixed; detection_head differs in"):
        export_student(ExportOptions(run=run, out=tmp_path / "ship", earlier=tmp_path / "wider", earlier_share=0.5))
    with pytest.raises(ValueError, match=r"share must lie between 0 and 1\. Got 1"):
        export_student(ExportOptions(run=run, out=tmp_path / "ship", earlier=run / "plain", earlier_share=1.0))
    assert not (tmp_path / "ship").exists()


def test_the_stage_that_was_written_last_ships_whatever_its_name(run: Path, tmp_path: Path) -> None:
    for time, stage in enumerate(("joint", "perception", "distill")):
        shutil.copytree(run / "joint" / "student", tmp_path / "run" / stage / "student")
        description = tmp_path / "run" / stage / "student" / "config.json"
        description.write_text(description.read_text().replace('"joint"', f'"{stage}"'))
        os.utime(description, (1000 + time, 1000 + time))
    taught = load_student(tmp_path / "run" / "distill" / "student")
    with torch.no_grad():
        taught.detection_head.norm_out.weight.add_(1.0)
    described = tmp_path / "run" / "distill" / "student" / "config.json"
    save_student(described.parent, taught, json.loads(described.read_text())["card"])
    out = export_student(ExportOptions(run=tmp_path / "run", out=tmp_path / "ship"))
    stages = [stage["stage"] for stage in read_description(out)["card"]["stages"]]
    assert stages == ["joint", "perception", "distill"]
    shipped = load_student(out).detection_head.norm_out.weight
    torch.testing.assert_close(shipped, taught.detection_head.norm_out.weight, rtol=0, atol=2e-3)


def test_a_run_without_a_student_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no student yet"):
        export_student(ExportOptions(run=tmp_path, out=tmp_path / "ship"))


def test_a_report_about_other_weights_is_refused(run: Path, tmp_path: Path) -> None:
    out = export_student(ExportOptions(run=run, out=tmp_path / "ship"))
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


def test_real_figures_come_first_in_the_card(run: Path, tmp_path: Path) -> None:
    out = export_student(ExportOptions(run=run, out=tmp_path / "ship"))
    sha = read_description(out)["sha256"]["model.safetensors"]
    for name, part in (("rendered", {}), ("real", {"real": {}})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.md").write_text(f"# Evaluation\n\nfigures of {name} rooms\n")
        splits = {"model_sha256": sha, "splits": {"test": part}}
        (tmp_path / name / "report.json").write_text(json.dumps(splits))
    add_report(out, tmp_path / "rendered", tmp_path / "real")
    card = (out / "README.md").read_text()
    assert card.index("## Evaluation on real pictures") < card.index("figures of real") < card.index("figures of rend")
    with pytest.raises(ValueError, match="must be an evaluation on real pictures"):
        add_report(out, None, tmp_path / "rendered")


def test_what_only_training_uses_does_not_ship(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = tiny_config()
    student = new_student(replace(config, student=config.student | {"segmentation": {"dim": 8}}))
    assert student.segmentation_head is not None
    save_student(tmp_path / "run" / "joint" / "student", student, {"stage": "joint"})
    shipped = load_student(export_student(ExportOptions(run=tmp_path / "run", out=tmp_path / "ship")))
    assert shipped.segmentation_head is None
    whole = student.state_dict()
    for name, tensor in shipped.state_dict().items():
        torch.testing.assert_close(tensor, whole[name].half().to(tensor.dtype), rtol=0, atol=0)


def test_the_card_names_the_real_pictures_that_taught_first(run: Path, tmp_path: Path) -> None:
    save_student(tmp_path / "older", load_student(run / "plain"), {"stages": [{"stage": "older", "steps": 9}]})
    rooms = data_folder(tmp_path, SIMULATED_SPLITS)
    frames = nyu_folder(tmp_path)
    out = export_student(
        ExportOptions(run=run, out=tmp_path / "ship", train_data=(rooms, frames), earlier_card=tmp_path / "older")
    )
    card = (out / "README.md").read_text()
    assert "NYU Depth V2" in card.splitlines()[2]
    assert "no real picture of a room" not in card
    assert card.index("| older | 9 |") < card.index("| joint | 3 |")
    described = read_description(out)["card"]["learned_from"]
    assert [entry["source"] for entry in described] == ["rendered", "nyuv2"]
    things = described[1]["classes"]["chair"]["things"]
    assert things == sum(o.label == "chair" for sample in ShardReader(frames, "train") for o in sample.scene.objects)
    assert f"| chair | {described[0]['classes']['chair']['things']} |" in card
    plain = export_student(ExportOptions(run=run, out=tmp_path / "plain"))
    assert "no real picture of a room" in (plain / "README.md").read_text()


def test_one_command_measures_what_ships(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    rooms = data_folder(tmp_path, SIMULATED_SPLITS)
    save_student(tmp_path / "run" / "joint" / "student", new_student(tiny_config()), {"stage": "joint", "steps": 1})
    ship = ["export", "--run", str(tmp_path / "run"), "--out", str(tmp_path / "ship"), "--data", str(rooms)]
    assert main(ship) == 2
    assert "needs --report" in capsys.readouterr().err
    assert not (tmp_path / "ship").exists()
    assert main([*ship, "--report", str(tmp_path / "report"), "--teacher", str(tmp_path / "run/joint/student")]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["model_sha256"] == read_description(tmp_path / "ship")["sha256"]["model.safetensors"]
    assert report["teacher"]["retention"] == pytest.approx(1.0, abs=0.2), "of itself, but for its rounding"
    assert "## Evaluation" in (tmp_path / "ship" / "README.md").read_text()


def test_the_card_shows_the_teacher_where_there_is_one(run: Path, tmp_path: Path) -> None:
    out = export_student(ExportOptions(run=run, out=tmp_path / "ship"))
    entry = {"n": 40, "accuracy": 0.8, "interval": [0.65, 0.9], "student": 0.75, "retention": 0.94,
             "retention_interval": [0.85, 1.0], "agreement": 0.7}  # fmt: skip
    teacher = entry | {
        "families": {"contact": entry}, "forms": {"yes_no": entry}, "in_words": "student 'privileged'",
        "boxes": {"map25": 0.5, "map50": math.nan}, "latency_ms": {"perceive": 90.0, "ask": 30.0},
        "text": {"exact": 0.6, "bleu_1": 0.7, "bleu_4": 0.5, "rouge_l": 0.7, "meteor": 0.5},
        "only_teacher_right": 5, "only_student_right": 3,
    }  # fmt: skip
    result = {
        "teacher": teacher, "splits": {"test_known": {"teacher": entry}}, "boxes": {"map25": 0.4, "map50": 0.2},
        "latency_ms": {"perceive": 45.0, "ask": 20.0}, "device": "CPU, 1 threads",
    }  # fmt: skip
    report = tmp_path / "report"
    report.mkdir()
    lines = teacher_lines(result, {"test_known": "unseen rooms, known furniture"})
    (report / "report.md").write_text("# Evaluation\n\n" + "\n".join(lines))
    sha = read_description(out)["sha256"]["model.safetensors"]
    (report / "report.json").write_text(json.dumps({"model_sha256": sha}))
    add_report(out, report)
    card = (out / "README.md").read_text()
    assert "### Beside its teacher" in card
    row = "40 | 0.800 [0.650, 0.900] | 0.750 | 0.940 [0.850, 1.000] | 0.700 |"
    for name in ("unseen rooms, known furniture", "**all**", "contact", "yes no"):
        assert f"| {name} | {row}" in card
    assert "| mAP@0.25 | 0.500 | 0.400 | 0.80 |" in card
    assert "| mAP@0.5 | - | 0.200 | - |" in card
    assert "| a frame, ms | 90.0 | 45.0 | 2.00 |" in card
    assert "| a question, ms | 30.0 | 20.0 | 1.50 |" in card
