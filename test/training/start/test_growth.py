"""Growth of a trained student by classes: what it saw and said before stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.student_fixtures import small_config, tokenizer, views

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.checkpoint import load_student, save_student
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import StageConfig, TrainConfig
from distill3d_ros.training.start.growth import NEW_CLASS, grow
from distill3d_ros.training.start.initial_student import new_student

KNOWN = ("chair", "table", "lamp")
MORE = ("person", "chair", "table", "picture", "lamp")
STAGES = (StageConfig(name="perception", kind="perception"),)


def trained(labels: tuple[str, ...]) -> Student:
    """Weights that say something about every class."""
    torch.manual_seed(3)
    student = Student(small_config(labels=labels), tokenizer())
    with torch.no_grad():
        for parameter in student.detection_head.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return student.eval()


@torch.no_grad()
def test_old_classes_keep_their_boxes_and_scores() -> None:
    smaller, student = trained(KNOWN), trained(MORE)
    done = grow(student, smaller)
    assert done.classes == ("person", "picture")
    assert not done.new
    before, after = (s.perceive(*views()) for s in (smaller, student))
    place = [MORE.index(label) for label in KNOWN]
    assert torch.equal(before.query_patch, after.query_patch)
    for one, other in ((before.proposals, after.proposals), (before.detections, after.detections)):
        assert torch.allclose(one.class_logits, other.class_logits[..., place], atol=1e-5)
        for name in ("objectness", "center", "size", "yaw_vector", "feature"):
            assert torch.allclose(getattr(one, name), getattr(other, name), atol=1e-5), name
    new = after.detections.class_logits[..., [0, 3]]
    assert torch.allclose(new, torch.full_like(new, NEW_CLASS))


def test_new_classes_learn_from_the_first_step() -> None:
    student = trained(MORE)
    grow(student, trained(KNOWN))
    student.train()
    student.perceive(*views()).proposals.class_logits[..., 0].sum().backward()
    grad = student.detection_head.propose.labels.fc2.weight.grad
    assert grad is not None
    assert grad[1 + MORE.index("person")].any()


def test_a_student_grows_to_all_classes_with_a_segmentation_head(tmp_path: Path) -> None:
    """What the configuration does not change is the smaller student's, not the preset's."""
    smaller = Student(small_config(preset="pico", labels=KNOWN), tokenizer())
    save_student(tmp_path / "s", smaller)
    said: list[str] = []
    changes = {"labels": "all", "segmentation": {"dim": 16}}
    student = new_student(TrainConfig(stages=STAGES, start_from=str(tmp_path / "s"), student=changes), said.append)
    assert student.config.labels == tuple(LABELS)
    assert student.config.encoder == smaller.config.encoder
    assert student.language.visual.words.ids.shape[0] == len(LABELS)
    assert torch.equal(student.encoder.patch_embed.stem.weight, smaller.encoder.patch_embed.stem.weight)
    assert "new classes: armchair, stool" in said[0]
    with torch.no_grad():
        asked, quiet = student.perceive(*views(), semantics=True), student.perceive(*views())
    assert asked.semantics is not None
    assert asked.semantics.shape[2] == len(LABELS) + 1
    assert quiet.semantics is None
    save_student(tmp_path / "grown", student)
    assert load_student(tmp_path / "grown").config == student.config
    assert load_student(tmp_path / "s").segmentation_head is None
    with pytest.raises(ValueError, match=r"student.labels must be a list of classes, or all. Got 'most'"):
        new_student(TrainConfig(stages=STAGES, start_from=str(tmp_path / "s"), student={"labels": "most"}))


def test_a_class_that_is_given_up_is_named() -> None:
    with pytest.raises(ValueError, match=r"must hold every class.*without table"):
        grow(trained(("chair", "lamp")), trained(KNOWN))
