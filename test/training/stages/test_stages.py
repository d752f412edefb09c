"""The three stages and the evaluation, end to end, on a handful of samples with an untrained student."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.training.tiny_training import changed_parts, data_folder, six_objects, tiny_config

from distill3d_ros.engine.engine import Engine
from distill3d_ros.student.checkpoint import load_student, read_description, save_student
from distill3d_ros.student.outputs import ObjectSet
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import PERCEPTION_PARTS
from distill3d_ros.training.evaluation.evaluate import evaluate
from distill3d_ros.training.evaluation.evaluation_options import EvaluateOptions
from distill3d_ros.training.evaluation.question_sets import chosen_splits
from distill3d_ros.training.inputs.object_matching import match_objects
from distill3d_ros.training.loop.optimization import trained_parameters
from distill3d_ros.training.losses.supervised import box_fit, box_loss, overlap_loss
from distill3d_ros.training.stages.make_stage import make_stage
from distill3d_ros.training.start.initial_student import new_student, starting_student
from distill3d_ros.training.train import train_stage


@pytest.fixture(scope="module")
def student() -> Student:
    torch.manual_seed(0)
    return new_student(tiny_config())


def losses_of(kind: str, student: Student, data: Path, tmp_path: Path, **changes: object) -> dict[str, torch.Tensor]:
    stage_config = replace(tiny_config().stage(kind), **changes)  # type: ignore[arg-type]
    stage = make_stage(stage_config, (data,), tmp_path, student)
    for parameter in student.parameters():
        parameter.requires_grad_(True)
    trained_parameters(student, stage.modules, stage_config)
    keys = [six_objects("train", n).key for n in range(2)]
    student.zero_grad(set_to_none=True)
    return stage.losses(student, stage.builder()(keys, np.random.default_rng(1)))


def test_perception_trains_the_encoder_and_heads_alone(student: Student, data: Path, tmp_path: Path) -> None:
    losses = losses_of("perception", student, data, tmp_path)
    assert set(losses) >= {"depth", "depth_gradient", "camera", "proposal_class", "proposal_box", "detection_class"}
    assert all(torch.isfinite(loss) for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    assert changed_parts(student) == set(PERCEPTION_PARTS)


def test_a_box_error_does_not_bend_the_depth(student: Student, data: Path, tmp_path: Path) -> None:
    losses = losses_of("perception", student, data, tmp_path)
    (losses["proposal_box"] + losses["detection_box"] + losses["detection_overlap"]).backward()
    assert "depth_head" not in changed_parts(student)
    assert "detection_head" in changed_parts(student)


def test_reasoning_trains_the_language_model_alone(student: Student, data: Path, tmp_path: Path) -> None:
    losses = losses_of("reasoning", student, data, tmp_path)
    assert set(losses) == {"text", "names", "grounding"}
    torch.stack(list(losses.values())).sum().backward()
    assert changed_parts(student) == {"language"}
    assert (tmp_path / "balance.json").exists()


def test_joint_leaves_a_frozen_perception_alone_and_trains_it_where_it_may(
    student: Student, data: Path, tmp_path: Path
) -> None:
    losses = losses_of("joint", student, data, tmp_path)
    assert "depth" not in losses
    torch.stack(list(losses.values())).sum().backward()
    assert changed_parts(student) == {"language"}
    losses = losses_of("joint", student, data, tmp_path, lr_scales={})
    assert {"depth", "text"} <= set(losses)
    losses["text"].backward()
    assert {"encoder", "detection_head", "language"} <= changed_parts(student)


def test_boxes_that_are_the_truth_have_no_loss_and_fit(student: Student, data: Path, tmp_path: Path) -> None:
    stage = make_stage(tiny_config().stage("perception"), (data,), tmp_path, student)
    batch = stage.builder()([six_objects("train", n).key for n in range(2)], np.random.default_rng(0))
    perception = student.perceive(batch.images, batch.intrinsics, batch.up)
    n = batch.labels.shape[1]
    center, k = batch.center, batch.intrinsics
    uv = k[..., 2:] + k[..., :2] * center[..., :2] / center[..., 2:]
    boxes = replace(
        perception.detections,
        center_uv=uv,
        depth=center[..., 2],
        log_depth_ratio=torch.zeros_like(center[..., 2]),
        center=center,
        center_level=batch.center_level,
        size=batch.size,
        log_size=batch.size.log(),
        yaw_vector=torch.stack([batch.yaw.sin(), batch.yaw.cos()], -1),
    )
    image, truth = torch.nonzero(batch.mask, as_tuple=True)
    assert n >= 3
    assert box_loss(boxes, batch, image, truth, truth, k[:, 0, :2]).item() == pytest.approx(0.0, abs=1e-4)
    assert box_fit(boxes, batch, image, truth, truth).min().item() == pytest.approx(1.0, abs=1e-3)
    twice = replace(boxes, size=batch.size * 2)  # the same centre, each side doubled: IoU 1 / 8
    assert box_fit(twice, batch, image, truth, truth)[0].item() == pytest.approx(8**-0.5, abs=1e-3)
    assert overlap_loss(boxes, batch, image, truth, truth).item() == pytest.approx(0.0, abs=1e-3)
    assert overlap_loss(twice, batch, image, truth, truth).item() == pytest.approx(0.5, abs=1e-3)
    far = replace(boxes, center_level=batch.center_level + 1000.0)  # apart along every axis: the hull is nearly empty
    assert overlap_loss(far, batch, image, truth, truth).item() == pytest.approx(2.0, abs=0.02)


def test_reports_are_tied_to_what_is_near_and_named_alike() -> None:
    scene = six_objects("train", 0).scene
    chair = scene.objects[0]
    center = torch.tensor(np.stack([chair.box.center, chair.box.center + 0.05, chair.box.center + 9]))[None].float()
    probs = torch.zeros(1, 3, 2)
    probs[0, :, 0] = torch.tensor([0.8, 0.1, 0.9])
    objects = ObjectSet(
        center=center,
        size=torch.ones(1, 3, 3),
        yaw=torch.zeros(1, 3),
        class_probs=probs,
        score=torch.ones(1, 3),
        mask=torch.ones(1, 3, dtype=torch.bool),
    )
    assert match_objects(objects, 0, scene, {"chair": 0}) == {chair.id: (0,)}
    assert match_objects(objects, 0, scene, {"table": 1}) == {}


def test_all_stages_run_and_take_over_what_was_learned(data: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    run = tiny_config()
    for name in ("perception", "reasoning", "joint"):
        student = train_stage(run, name, data=(data,), out=tmp_path, report=messages.append, command=f"train {name}")
        assert student == tmp_path / name / "student"
        assert read_description(student)["card"]["command"] == f"train {name}"
    perception, reasoning, joint = (
        load_student(tmp_path / n / "student") for n in ("perception", "reasoning", "joint")
    )
    for part in PERCEPTION_PARTS:
        for a, b in zip(getattr(perception, part).parameters(), getattr(joint, part).parameters(), strict=True):
            assert torch.equal(a, b)
    begun = starting_student(run, "joint", out=tmp_path, init=None, report=messages.append)
    assert torch.equal(begun.language.model.norm.weight, reasoning.language.model.norm.weight)
    rows = [json.loads(line) for line in (tmp_path / "joint" / "metrics.jsonl").read_text().splitlines()]
    assert {"text", "names", "grounding"} <= set(rows[0])
    assert "val_seen_accuracy" in rows[-1]
    # Trained to the end: the same call has nothing left to do.
    assert train_stage(run, "joint", data=(data,), out=tmp_path, report=messages.append) is not None
    assert any("going on from step 2" in m for m in messages)


def test_evaluation_writes_what_later_work_relies_on(student: Student, data: Path, tmp_path: Path) -> None:
    save_student(tmp_path / "student", student)
    result = evaluate(
        EvaluateOptions(model=tmp_path / "student", data=data, out=tmp_path / "report", questions=30, device="cpu"),
        report=lambda _: None,
    )
    stored = json.loads((tmp_path / "report" / "report.json").read_text())
    for part in (stored, *stored["splits"].values()):
        assert part["questions"] > 10
        assert 0.0 <= part["accuracy"] <= 1.0
        assert set(part["depth"]) == {"absrel", "delta1", "rmse", "median_scaled"}
        assert {"map25", "map50"} <= set(part["boxes"])
        for family in part["families"].values():
            assert {"n", "accuracy", "interval", "majority", "question_only", "rules"} <= set(family)
            assert family["interval"][0] <= family["accuracy"] <= family["interval"][1]
        assert sum(f["n"] for f in part["families"].values()) == part["questions"]
    assert set(stored["splits"]) == {"test_known", "test_unseen"}
    assert stored["questions"] == sum(s["questions"] for s in stored["splits"].values())
    assert {"perceive", "ask"} <= set(stored["latency_ms"])
    assert len(stored["model_sha256"]) == len(stored["manifest_sha256"]) == 64
    assert stored["seed"] == 0
    assert stored["command"].startswith("distill3d")
    assert result["rules_on_true_boxes"] > 0.6
    text = (tmp_path / "report" / "report.md").read_text()
    assert "unseen rooms, unseen furniture" in text
    assert "question only" in text


def test_a_student_that_is_its_own_teacher_keeps_everything(
    student: Student, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nltk")
    save_student(tmp_path / "student", student)
    perceive, perceived = Engine.perceive, []
    monkeypatch.setattr(Engine, "perceive", lambda *a, **k: perceived.append(1) or perceive(*a, **k))
    options = EvaluateOptions(
        model=tmp_path / "student",
        data=data,
        out=tmp_path / "report",
        teacher=tmp_path / "student",
        questions=20,
        splits=("val",),
        device="cpu",
    )
    result = evaluate(options, report=lambda _: None)
    assert len(perceived) == 2 * (1 + result["frames"]), "each warms up, then perceives each frame once"
    teacher = result["teacher"]
    assert teacher["n"] == result["questions"] == result["splits"]["val"]["teacher"]["n"]
    assert (teacher["accuracy"], teacher["interval"]) == (result["accuracy"], result["interval"])
    assert (teacher["agreement"], teacher["text"]["exact"]) == (1.0, 1.0)
    assert (teacher["only_teacher_right"], teacher["only_student_right"]) == (0, 0)
    assert {name: entry["n"] for name, entry in teacher["families"].items()} == {
        name: entry["n"] for name, entry in result["families"].items()
    }
    assert teacher["boxes"]["map25"] == result["boxes"]["map25"]
    assert set(teacher["latency_ratio"]) == {"perceive", "ask"}
    assert teacher["model_sha256"] == result["model_sha256"]
    assert [row["coverage"] for row in result["abstention"]] == [1.0, 0.9, 0.75, 0.5]
    text = (tmp_path / "report" / "report.md").read_text()
    assert "## Beside its teacher" in text
    assert "| form | n | student |" in text
    assert "METEOR" in text


def test_a_missing_split_is_named(student: Student, tmp_path: Path) -> None:
    from distill3d_ros.training.data.manifest import ShardError

    save_student(tmp_path / "student", student)
    with pytest.raises(ShardError, match=r"no data in .*nothing: the folder does not exist; make a data set with"):
        evaluate(
            EvaluateOptions(
                model=tmp_path / "student", data=tmp_path / "nothing", out=tmp_path / "report", device="cpu"
            ),
            report=lambda _: None,
        )


def test_a_folder_without_test_and_training_splits_is_measured_on_what_it_has(
    student: Student, data: Path, tmp_path: Path
) -> None:
    save_student(tmp_path / "student", student)
    scans = data_folder(tmp_path / "scans", ("val",))

    def measured(name: str, **how: object) -> tuple[dict[str, object], str]:
        student_folder, out = tmp_path / "student", tmp_path / name
        options = EvaluateOptions(model=student_folder, data=scans, out=out, questions=20, device="cpu", **how)  # type: ignore[arg-type]
        evaluate(options, report=lambda _: None)
        report = tmp_path / name
        return json.loads((report / "report.json").read_text()), (report / "report.md").read_text()

    alone, text = measured("alone", splits=["val"])
    assert set(alone["splits"]) == {"val"}
    assert alone["questions"] > 10
    assert alone["majority"] is None
    assert alone["question_only"] is None
    assert 0 <= alone["rules"] <= 1
    assert "question only are absent: the folder has no training split" in text
    assert "rooms that training never saw" not in text

    beside, text = measured("beside", splits=["val"], train_data=data)
    assert 0 <= beside["majority"] <= 1
    assert 0 <= beside["question_only"] <= 1
    assert f"of the training rooms of {data}, another data set" in text
    assert beside["accuracy"] == alone["accuracy"], "the same questions, whatever the baselines learn from"

    with pytest.raises(
        ValueError, match=r"no samples of test_known or test_unseen or test; name another split with --splits"
    ):
        measured("default")
    with pytest.raises(ValueError, match=r"no samples of split 'train'; it has 4 frames of val"):
        measured("train", splits=["train"])
    with pytest.raises(ValueError, match=r"train_data must be a folder with a training split\. .* has 4 frames of val"):
        measured("scans", splits=["val"], train_data=scans)


def test_without_more_words_the_test_splits_that_exist_are_measured(data: Path, tmp_path: Path) -> None:
    assert chosen_splits(data, None) == ("test_known", "test_unseen")
    assert chosen_splits(data, ["val", "train", "val"]) == ("val", "train")
    assert chosen_splits(data_folder(tmp_path, ("train", "test_known")), None) == ("test_known",)
