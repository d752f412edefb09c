"""The perception stage on rendered frames and on real ones, of which less is known, end to end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.training.tiny_training import SAMPLES, six_objects, tiny_config

from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.student.checkpoint import load_student
from distill3d_ros.training.config import StopEarlyConfig
from distill3d_ros.training.data.manifest import Manifest, write_manifest
from distill3d_ros.training.data.shards import ShardWriter
from distill3d_ros.training.loop.curves import METRICS
from distill3d_ros.training.stages.make_stage import make_stage
from distill3d_ros.training.start.initial_student import new_student
from distill3d_ros.training.train import train_stage

KNOWN = Annotation(
    depth="measured", boxes="visible", classes=frozenset({"chair", "table", "lamp"}), covers={"chair": ("armchair",)}
)


@pytest.fixture(scope="module")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames with masks and measured depth, one of them without gravity."""
    folder = tmp_path_factory.mktemp("real")
    shards = []
    for split in ("train", "val"):
        with ShardWriter(folder, split=split, number=0, first_room=0, rooms=SAMPLES) as writer:
            for n in range(SAMPLES):
                one = six_objects(split, n)
                known = replace(KNOWN, gravity=n != 1)
                level = one.scene.level_from_optical if known.gravity else np.eye(3)
                objects = tuple(o for o in one.scene.objects if o.label in (known.classes or ()))
                scene = replace(one.scene, annotation=known, level_from_optical=level, objects=objects)
                writer.add(replace(one, scene=replace(scene, contacts=None, supports=None)))
        shards.append(writer.info)
    manifest = Manifest(recipe={"importer": "test"}, planned_rooms={"train": 4, "val": 4}, shards=tuple(shards))
    write_manifest(folder, manifest)
    return folder


def test_rendered_and_real_frames_train_one_student(data: Path, real_data: Path, tmp_path: Path) -> None:
    config = tiny_config(batch_size=8, stop_early=StopEarlyConfig(figure="real_delta1"))
    config = replace(config, student={**config.student, "segmentation": {"dim": 16}})
    folder = train_stage(config, "perception", data=(data, real_data), out=tmp_path, report=lambda _: None)
    assert folder is not None
    student = load_student(folder)
    assert student.segmentation_head is not None
    stage = make_stage(config.stage("perception"), (data, real_data), tmp_path, student)
    figures = stage.validate(student)
    rendered = {"map25", "map50", "absrel", "delta1", "rmse", "miou"}
    real = {"image_map50", "absrel", "delta1", "rmse", "scaled_absrel", "scaled_delta1", "miou"}
    assert set(figures) == rendered | {f"real_{name}" for name in real}
    rows = (tmp_path / "perception" / METRICS).read_text()
    assert all(f"{name}" in rows for name in ("image_box", "surface", "semantics", "real_delta1"))


def test_rendered_frames_alone_have_the_figures_that_they_had(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    student = new_student(tiny_config())
    figures = make_stage(tiny_config().stage("perception"), (data,), tmp_path, student).validate(student)
    assert set(figures) == {"map25", "map50", "absrel", "delta1", "rmse"}
