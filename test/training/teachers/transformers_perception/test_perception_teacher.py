"""Public networks look at unlabelled pictures once; a student learns from what they saw."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training.tiny_networks import tiny_network
from support.training.tiny_training import data_folder, tiny_config
from support.training.unlabelled_pictures import WITH_DEPTH, picture_folder

from distill3d_ros.cli.main import main
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache, read_info
from distill3d_ros.training.data.mixture import open_split
from distill3d_ros.training.stages.make_stage import make_stage
from distill3d_ros.training.start.initial_student import new_student
from distill3d_ros.training.teachers.make_teacher import make_teacher
from distill3d_ros.training.teachers.perception_accuracy import aligned_depth
from distill3d_ros.training.teachers.teach import teach
from distill3d_ros.training.teachers.teach_options import AnswerOptions, TeacherOptions
from distill3d_ros.training.teachers.teacher import Teacher


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("pictures") / "pictures", {"train": 3})


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("rooms"), ("train", "val"))


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    return {kind: tiny_network(kind, folder / kind) for kind in ("owlv2", "rt_detr", "depth_anything", "glpn")}


def taught(depth: Path, detector: Path, data: tuple[Path, ...], out: Path, said: list[str] | None = None) -> Path:
    teacher = make_teacher(
        TeacherOptions(teacher="transformers_perception", depth=str(depth), detector=str(detector), device="cpu")
    )
    assert isinstance(teacher, Teacher)
    report = (lambda _: None) if said is None else said.append
    teach(teacher, AnswerOptions(data=data, out=out, measure=2), shard_samples=2, report=report)
    return out


def test_what_networks_saw_is_read_back(networks: dict[str, Path], pictures: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out = taught(networks["depth_anything"], networks["owlv2"], (pictures,), tmp_path / "seen", said)
    cache, reader = TeacherCache(out, (pictures,)), open_split((pictures,), "train")
    teacher = make_teacher(
        TeacherOptions(
            teacher="transformers_perception",
            depth=str(networks["depth_anything"]),
            detector=str(networks["owlv2"]),
            device="cpu",
        )
    )
    assert len(cache) == 3
    assert (cache.info.questions, cache.info.labels, cache.info.tokenizer_sha256) == (0, tuple(LABELS), None)
    assert cache.info.description["depth"]["output"] == "inverse"
    assert cache.info.covers == {}
    for key in cache.keys:
        found, direct = cache[key].perception, teacher.perceive(reader[reader.index_of(key)])
        assert found is not None
        assert direct is not None
        assert cache[key].questions == ()
        assert found.depth_is_relative
        assert found.depth.shape == (32, 32)
        assert len(found.rectangles) > 0
        assert found.center_level is None
        np.testing.assert_allclose(found.depth, direct.depth, rtol=2e-3)
        np.testing.assert_allclose(found.rectangles, direct.rectangles, rtol=1e-6)
        np.testing.assert_allclose(found.class_probs, direct.class_probs, atol=1e-3)
    assert any("not measured: nothing is known about these pictures" in line for line in said)


@pytest.mark.parametrize(("depth", "loss"), [("depth_anything", "relative_depth"), ("glpn", "depth")])
def test_a_student_learns_from_them_beside_rendered_rooms(
    networks: dict[str, Path], pictures: Path, rooms: Path, depth: str, loss: str, tmp_path: Path
) -> None:
    """The answers are about one of the two folders; the other keeps its truth."""
    out = taught(networks[depth], networks["owlv2"], (pictures,), tmp_path / "seen")
    torch.manual_seed(0)
    config = tiny_config()
    stage_config = replace(
        config.stage("perception"), teacher=str(out), teacher_min_score=0.4, teacher_unsure_score=0.3, lr_scales={}
    )
    student = new_student(config)
    data = (rooms, pictures)
    stage = make_stage(stage_config, data, tmp_path, student)
    reader, said = open_split(data, "train"), []
    assert stage.training_samples(reader, said.append) is reader
    assert "has looked at 3 of 7 samples" in said[0]
    keys = [key for key in reader.keys if key.startswith("1/")]
    batch = stage.builder()(keys, np.random.default_rng(0))
    losses = stage.losses(student, batch)
    assert batch.mask.any()
    assert {loss, "image_box", "proposal_class", "detection_class"} <= set(losses)
    assert ("surface" in losses) == (loss == "depth")  # how far away, in metres
    assert not {"depth", "relative_depth", "detection_box", "detection_overlap"} - {loss} & set(losses)
    torch.stack(list(losses.values())).sum().backward()
    grads = [p.grad for p in student.depth_head.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in grads)
    assert any(g.any() for g in grads)
    alone = stage.losses(
        student, stage.builder()([k for k in reader.keys if k.startswith("0/")], np.random.default_rng(0))
    )
    assert {"depth", "detection_box"} <= set(alone)
    assert not {"relative_depth", "image_box"} & set(alone)


def test_its_accuracy_is_measured_where_something_is_known(
    networks: dict[str, Path], rooms: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    out = taught(networks["depth_anything"], networks["rt_detr"], (rooms,), tmp_path / "seen", said)
    accuracy = read_info(out).accuracy
    assert accuracy["split"] == "val"
    assert accuracy["depth"]["samples"] == 2
    assert accuracy["depth"]["aligned"]
    assert any("after its inverse was aligned" in line for line in said)
    assert read_info(out).covers["chair"] == ("armchair", "stool")


def test_relative_depth_is_aligned_by_its_inverse() -> None:
    """Inverse depth is 2 x + 0.1, exactly, where both are known."""
    true = np.random.default_rng(0).uniform(1, 5, (6, 8)).astype(np.float32)
    relative = 1 / ((1 / true - 0.1) / 2)
    true[0, :3] = 0
    found = aligned_depth(relative, true)
    np.testing.assert_allclose(found[true > 0], true[true > 0], rtol=1e-4)
    np.testing.assert_allclose(1 / found[0, :3], 2 / relative[0, :3] + 0.1, rtol=1e-4)


def test_measured_depth_stays_and_things_are_learned(networks: dict[str, Path], tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "recorded", {"train": 2}, WITH_DEPTH)
    out = taught(networks["glpn"], networks["owlv2"], (data,), tmp_path / "seen")
    stage_config = replace(
        tiny_config().stage("perception"), teacher=str(out), teacher_min_score=0.4, teacher_unsure_score=0.3
    )
    stage = make_stage(stage_config, (data,), tmp_path, new_student(tiny_config()))
    batch = stage.builder()(open_split((data,), "train").keys, np.random.default_rng(0))
    assert batch.mask.any()
    assert (batch.depth == 0).any()
    assert batch.depth.max() == pytest.approx(4.0)
    assert (batch.near > 0).any()


def test_it_cannot_answer(networks: dict[str, Path], pictures: Path, tmp_path: Path) -> None:
    out = taught(networks["glpn"], networks["owlv2"], (pictures,), tmp_path / "seen")
    config = tiny_config()
    whole = {"augment": replace(config.stage("joint").augment, zoom=(1.0, 1.0), flip=0.0)}
    distill = replace(config.stage("joint"), kind="distill", teacher=str(out), **whole)
    with pytest.raises(ValueError, match=r"perceives alone and answers nothing; name it in a stage of kind perception"):
        make_stage(distill, (pictures,), tmp_path, new_student(config))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"transformers_perception needs --depth, --detector, or both"),
        ({"model": "x"}, r"has two networks: give depth, detector, or both. Got model 'x'"),
        ({"depth": "owner/name"}, r"--depth must be a folder.*owner/name@revision.*Got 'owner/name'"),
        ({"detector": "x", "depth_output": "metric"}, r"--depth-output belongs to --depth, which is not given"),
        ({"depth": "x", "prompts": ("lamp",)}, r"--prompts belongs to --detector, which is not given"),
        ({"teacher": "privileged", "model": "x", "depth": "y"}, r"depth is for the teacher transformers_perc"),
        ({"teacher": "privileged"}, r"model must name the folder of privileged.*Got none"),
    ],
)  # fmt: skip
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        make_teacher(TeacherOptions(**{"teacher": "transformers_perception", "device": "cpu", **options}))


def test_the_command(
    networks: dict[str, Path], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "seen"
    command = ["teach", "--teacher", "transformers_perception", "--detector", str(networks["owlv2"]), "--prompts",
               "office chair", "swivel chair=chair", "lamp", "--data", str(pictures), "--out", str(out), "--device",
               "cpu", "--measure", "1"]  # fmt: skip
    assert main(command) == 0
    assert "3 samples" in capsys.readouterr().out
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["labels"] == ["chair", "lamp"]
    assert not (out / "balance.json").exists()
    assert main([*command, "--depth", str(networks["glpn"])]) == 2
    assert "teacher was owlv2-" in capsys.readouterr().err
