"""Learning from a teacher, end to end, with a tiny student and answers that are made up beside the truth."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training.invented_teacher import KEYS, WIDTH, InventedCache, cache_info, invented, two_rooms, written
from support.training.tiny_training import changed_parts, tiny_config

from distill3d_ros.student.checkpoint import load_student
from distill3d_ros.student.student import Student
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.training.config import PERCEPTION_PARTS, StageConfig, TrainConfig
from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.data.mixture import open_split
from distill3d_ros.training.loop.batches import Sampler
from distill3d_ros.training.loop.checkpointing import load_checkpoint
from distill3d_ros.training.loop.curves import read_metrics
from distill3d_ros.training.loop.optimization import trained_parameters
from distill3d_ros.training.loop.trainer import Trainer, TrainingDivergedError
from distill3d_ros.training.losses.supervised import LANGUAGE_LOSSES, TEACHER_LOSSES
from distill3d_ros.training.stages.distill import DistillStage
from distill3d_ros.training.start.initial_student import new_student
from distill3d_ros.training.train import train_stage

FROZEN = dict.fromkeys(PERCEPTION_PARTS, 0.0)
PLAIN = AugmentConfig(zoom=(1, 1), flip=0, color=0, noise=0, without_up=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_rooms(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def student() -> Student:
    torch.manual_seed(0)
    made = new_student(tiny_config())
    with torch.no_grad():  # untrained, it would be sure that there is nothing anywhere
        bias = made.detection_head.propose.labels.fc2.bias
        bias.copy_(torch.randn(len(bias)))
    return made


def stage_config(**changes: Any) -> StageConfig:
    settings: dict[str, Any] = {
        "steps": 2,
        "batch_size": 4,
        "questions_per_scene": 6,
        "warmup_steps": 1,
        "precision": "fp32",
        "workers": 0,
        "validate_samples": 1,
        "validate_every": 1000,
        "log_every": 1,
        "augment": AugmentConfig(zoom=(1, 1), flip=0),
        "min_visible_pixels": 20,
        **changes,
    }
    return StageConfig(name="distill", kind="distill", teacher="cache", **settings)


def stage_of(student: Student, cache: TeacherCache, data: Path, out: Path, **changes: Any) -> DistillStage:
    stage = DistillStage(stage_config(**changes), (data,), out, student, cache)
    for parameter in student.parameters():
        parameter.requires_grad_(True)
    trained_parameters(student, stage.modules, stage.config)
    student.zero_grad(set_to_none=True)
    return stage


def losses_of(stage: DistillStage, student: Student, keys: list[str] = KEYS) -> dict[str, torch.Tensor]:
    return stage.losses(student, stage.builder()(keys, np.random.default_rng(1)))


def own_view(stage: DistillStage, student: Student, key: str) -> TeacherPerception:
    """What the student itself sees in a picture, as if a teacher had said it."""
    seen = stage.builder()([key], np.random.default_rng(1)).perception
    with torch.no_grad():
        perception = student.perceive(seen.images, seen.intrinsics, seen.up)
    boxes, quarter = perception.detections, (seen.images.shape[-2] // 4, seen.images.shape[-1] // 4)
    log_error = torch.nn.functional.interpolate(perception.depth_log_error, size=quarter, mode="bilinear")
    return TeacherPerception(
        depth=perception.log_depth[0, 0].exp().numpy(),
        log_error=log_error[0, 0].numpy(),
        center_level=boxes.center_level[0].numpy(),
        size=boxes.size[0].numpy(),
        yaw=boxes.yaw[0].numpy(),
        class_probs=boxes.class_logits[0].sigmoid().numpy(),
        labels=tuple(student.config.labels),
    )


def test_all_eight_are_there_and_reach_what_they_should(student: Student, data: Path, tmp_path: Path) -> None:
    cache = invented(student, data)
    weights = {"teacher_text": 1.0}
    stage = stage_of(student, cache, data, tmp_path, multi_view_pairs=True, loss_weights=weights, augment=PLAIN)
    student.eval()
    for key in KEYS:
        own = own_view(stage, student, key)
        other = replace(own, center_level=own.center_level * 1.05, size=own.size * 1.2, log_error=None)
        cache.change(key, perception=other)
    losses = losses_of(stage, student)
    student.train()
    # (Untrained, no query is near enough to a true box to be compared with it.)
    assert set(losses) >= {*LANGUAGE_LOSSES, *TEACHER_LOSSES, "depth", "detection_class"}
    assert all(torch.isfinite(loss) and loss.ndim == 0 for loss in losses.values())
    assert all(losses[name] >= -1e-6 for name in TEACHER_LOSSES)

    def reached(*names: str) -> set[str]:
        student.zero_grad(set_to_none=True)
        torch.stack([losses[name] for name in names]).sum().backward(retain_graph=True)
        return changed_parts(student)

    assert reached("depth_bins", "depth_kl", "multi_view") == {"encoder", "depth_head"}
    assert reached("teacher_class", "teacher_box", "spatial") == {"encoder", "detection_head"}
    assert {"encoder", "detection_head", "language"} <= reached("text_kl")
    assert "language" in reached("teacher_text")
    assert "language" in reached("feature")


def test_frozen_eyes_stay_as_they_are(student: Student, data: Path, tmp_path: Path) -> None:
    stage = stage_of(student, invented(student, data), data, tmp_path, lr_scales=FROZEN, multi_view_pairs=True)
    assert stage.auxiliary_modules is None
    losses = losses_of(stage, student)
    assert set(losses) == {*LANGUAGE_LOSSES, "text_kl", "feature", "spatial_feature"}
    torch.stack(list(losses.values())).sum().backward()
    assert changed_parts(student) == {"language"}


def test_states_of_another_width_are_projected(student: Student, data: Path, tmp_path: Path) -> None:
    cache = invented(student, data, hidden_size=2 * WIDTH, tokenizer_sha256=None, top_k=0)
    stage = stage_of(student, cache, data, tmp_path, lr_scales=FROZEN)
    losses = losses_of(stage, student)
    assert set(losses) == {*LANGUAGE_LOSSES, "teacher_text", "feature"}
    losses["feature"].backward()
    assert stage.auxiliary_modules.weight.grad.shape == (2 * WIDTH, WIDTH)
    assert stage.auxiliary_modules.weight.grad.abs().sum() > 0
    assert changed_parts(student) == {"language"}


def test_who_says_nothing_adds_nothing(student: Student, data: Path, tmp_path: Path) -> None:
    cache = invented(student, data, hidden_size=0, tokenizer_sha256=None, top_k=0)
    for key, sample in cache.samples.items():
        cache.change(key, perception=None, answers=tuple(TeacherAnswer(text="") for _ in sample.answers))
    losses = losses_of(stage_of(student, cache, data, tmp_path), student)
    assert set(losses) & set(TEACHER_LOSSES) == {"depth_bins"}, "the bins are the truth's"


def test_a_teacher_that_sees_what_the_student_sees_costs_nothing(student: Student, data: Path, tmp_path: Path) -> None:
    cache = invented(student, data)
    stage = stage_of(student, cache, data, tmp_path, augment=PLAIN)
    student.eval()
    cache.change(KEYS[0], perception=own_view(stage, student, KEYS[0]))
    losses = losses_of(stage, student, KEYS[:1])
    student.train()
    agreed = {name: losses[name].item() for name in ("depth_kl", "teacher_class", "teacher_box", "spatial")}
    assert agreed == pytest.approx(dict.fromkeys(agreed, 0.0), abs=1e-4)


def test_training_lowers_the_distance_from_the_teacher(student: Student, data: Path, tmp_path: Path) -> None:
    cache = invented(student, data, hidden_size=2 * WIDTH)
    del cache.samples[KEYS[3]]
    teacher = written(cache, tmp_path / "answers")
    weights = {"text": 0.0, "names": 0.1, "grounding": 0.1}
    step = stage_config(
        steps=10, batch_size=3, lr=4e-3, lr_scales=FROZEN, weighting="uncertainty", ema=0.0, loss_weights=weights
    )
    run = TrainConfig(student=tiny_config().student, stages=(replace(step, teacher=str(teacher)),))
    lines: list[str] = []
    made = train_stage(run, "distill", data=(data,), out=tmp_path, report=lines.append)
    assert "distill: 3 of 4 samples have answers of invented, 1 are left out" in lines
    assert any("from the truth and from its tokens (text_kl, temperature 2): same tokenizer" in x for x in lines)
    rows = [row for row in read_metrics(tmp_path / "distill" / "metrics.jsonl") if "text_kl" in row]
    assert rows[-1]["text_kl"] < 0.7 * rows[0]["text_kl"]
    assert rows[-1]["feature"] < rows[0]["feature"]
    # The projection goes on with the run, and is not in the student.
    assert load_checkpoint(tmp_path / "distill")["auxiliary_modules"]["weight"].shape == (2 * WIDTH, WIDTH)
    assert not any("auxiliary_modules" in name for name, _ in load_student(made).named_parameters())
    longer = replace(run, stages=(replace(run.stages[0], steps=11),))
    assert train_stage(longer, "distill", data=(data,), out=tmp_path, report=lines.append) == made
    assert "distill: going on from step 10" in lines


def test_batches_are_the_same_in_another_process(student: Student, data: Path, tmp_path: Path) -> None:
    teacher = TeacherCache(written(invented(student, data), tmp_path / "answers"), (data,))
    build = stage_of(student, teacher, data, tmp_path, multi_view_pairs=True).builder()
    here, there = (b(KEYS[:2], np.random.default_rng(3)) for b in (build, pickle.loads(pickle.dumps(build))))
    assert torch.equal(here.perception.images, there.perception.images)
    assert here.questions == there.questions
    assert torch.equal(here.second.images, there.second.images)
    assert torch.equal(here.teacher_targets.class_probs, there.teacher_targets.class_probs)


@pytest.mark.parametrize("weighting", ["static", "equal"])
def test_a_teacher_that_is_no_number_is_named_with_the_sample(data: Path, tmp_path: Path, weighting: str) -> None:
    student = new_student(tiny_config())
    cache = invented(student, data)
    for key, sample in cache.samples.items():
        cache.change(key, answers=tuple(replace(a, hidden=np.full(WIDTH, np.nan)) for a in sample.answers))
    step = stage_config(batch_size=2, lr_scales=FROZEN, weighting=weighting)
    stage = DistillStage(step, (data,), tmp_path, student, cache)
    source = stage.training_samples(open_split((data,), "train"), lambda _: None)
    trainer = Trainer(step, student, stage, Sampler(source, 2, 0), tmp_path, seed=0, device=torch.device("cpu"))
    with pytest.raises(TrainingDivergedError, match=r"losses feature, spatial_feature are not .*, samples train-0000"):
        trainer.run()


def test_a_teacher_that_does_not_fit_is_named(student: Student, data: Path, tmp_path: Path) -> None:
    def make(cache: InventedCache, **changes: Any) -> DistillStage:
        return DistillStage(stage_config(**changes), (data,), tmp_path, student, cache)

    other = invented(student, data, tokenizer_sha256="f" * 64)
    with pytest.raises(
        ValueError, match=r"text_kl compares tokens, and invented has tokenizer ffffffff; the student's"
    ):
        make(other, loss_weights={"text_kl": 1.0})
    assert make(other).distillation.by_text
    words = invented(student, data, tokenizer_sha256=None, top_k=0)
    with pytest.raises(ValueError, match="invented has words alone"):
        make(words, loss_weights={"text_kl": 0.5})
    assert not make(invented(student, data)).distillation.by_text
    with pytest.raises(ValueError, match=r"'cache' has 2 classes, the student \d+, .*only one of them knows"):
        make(invented(student, data, labels=("chair", "unicorn")))
    with pytest.raises(ValueError, match="their order differs"):
        make(invented(student, data, labels=tuple(reversed(student.config.labels))))
    with pytest.raises(ValueError, match="has answers about none of 4 samples"):
        make(InventedCache(cache_info(data))).training_samples(open_split((data,), "train"), print)
