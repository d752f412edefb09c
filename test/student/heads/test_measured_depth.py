"""A student with measured depth as input, and its growth from a smaller one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.student_fixtures import small_config, small_student, tokenizer, views

from distill3d_ros.student.checkpoint import load_student, save_student
from distill3d_ros.student.config import DepthConfig, StudentConfig
from distill3d_ros.student.heads.measured_depth import MeasuredDepth, filled
from distill3d_ros.student.presets import pico, privileged
from distill3d_ros.student.student import Student
from distill3d_ros.training.config import StageConfig, TrainConfig
from distill3d_ros.training.start.growth import grow
from distill3d_ros.training.start.initial_student import new_student

K = torch.tensor([[[80.0, 80.0, 47.5, 31.5]]])


def measured_config() -> StudentConfig:
    """Deeper than ``small_config`` everywhere, and with measured depth."""
    base = small_config()
    return replace(
        base,
        encoder=replace(base.encoder, pairs=3),
        depth=DepthConfig(kind="measured"),
        detection=replace(base.detection, layers=4, region=3),
        language=replace(base.language, layers=3),
    )


def measured_student(seed: int = 0) -> Student:
    torch.manual_seed(seed)
    return Student(measured_config(), tokenizer()).eval()


def smaller_student() -> Student:
    return small_student(3, detection=replace(small_config().detection, region=3))


def test_a_larger_student_begins_as_the_smaller_one() -> None:
    """With the smaller one's own depth as the truth it finds the same boxes and gives the same answers."""
    smaller, student = smaller_student(), measured_student()
    done = grow(student, smaller)
    images, k = views()
    up = torch.tensor([[[0.0, -1.0, 0.0]]])
    with torch.no_grad():
        before = smaller.perceive(images, k, up)
        after = student.perceive(images, k, up, depth=before.depth)
        torch.testing.assert_close(after.depth, before.depth)
        torch.testing.assert_close(after.patch_tokens, before.patch_tokens, rtol=1e-4, atol=1e-5)
        assert torch.equal(after.query_patch, before.query_patch)
        for name in ("class_logits", "objectness", "log_size"):
            ours, theirs = getattr(after.detections, name), getattr(before.detections, name)
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0.05)
        torch.testing.assert_close(after.detections.center, before.detections.center, rtol=0.05, atol=0.05)
        asked = ["Is the chair left of the table?"]
        said = [s.answer(s.cache(s.prefix(before)), asked)[0] for s in (smaller, student)]
    assert said[0].text == said[1].text
    assert said[0].confidence == pytest.approx(said[1].confidence, rel=1e-3)
    assert {"encoder.frame_blocks.2.attn.qkv.weight", "depth_head.place.fc1.weight"} <= set(done.new)
    assert all(name.startswith("depth_head.") for name in done.not_used)
    assert len(done.taken) + len(done.new) == len(student.state_dict())
    words = done.describe()
    assert f"{len(done.taken)} tensors taken; new: encoder.frame_blocks.1 (" in words
    assert "language.model.layers.2 (" in words
    assert "detection_head.refine.3 (" in words


def test_the_new_layers_learn_from_the_first_step() -> None:
    smaller, student = smaller_student(), measured_student()
    grow(student, smaller)
    perception = student.perceive(*views(), depth=torch.full((1, 1, 64, 96), 2.0))
    (perception.detections.class_logits.square().sum() + student.prefix(perception).tokens.square().sum()).backward()
    for name in ("encoder.frame_blocks.1.attn.proj", "encoder.global_blocks.2.mlp.fc2", "depth_head.place.fc2"):
        grad = student.get_parameter(f"{name}.weight").grad
        assert grad is not None, name
        assert grad.abs().sum() > 0, name


def test_what_does_not_fit_together_is_refused() -> None:
    other = small_student(labels=("lamp", "chair", "table", "washing machine", "oven"))
    with pytest.raises(ValueError, match=r"must hold every class of the student that it begins as.*without oven"):
        grow(measured_student(), other)


def test_the_depth_moves_what_the_encoder_sees_only_where_it_is_known() -> None:
    student = measured_student()
    torch.nn.init.normal_(student.depth_head.place.fc2.weight)
    images, k = views()
    depth = torch.full((1, 1, 64, 96), 2.0)
    unknown = torch.zeros_like(depth)
    with torch.no_grad():
        head = student.depth_head
        assert isinstance(head, MeasuredDepth)
        assert head.point_embedding(unknown, k, None, None, 16).abs().max() == 0
        half = depth.clone()
        half[..., 48:] = math.nan
        added = head.point_embedding(half, k, None, None, 16).unflatten(2, (4, 6)).abs().amax(-1)
        assert (added[..., :3] > 0).all()
        assert (added[..., 3:] == 0).all()
        near, far = (student.perceive(images, k, depth=d).patch_tokens for d in (depth, depth * 2))
    assert (near - far).abs().max() > 1e-3


def test_the_place_of_a_patch_is_its_mean_surface_point_in_the_level_frame() -> None:
    """A camera that looks 30 degrees down, and a second one a metre to its right: one surface, the same tokens."""
    student = measured_student()
    head = student.depth_head
    assert isinstance(head, MeasuredDepth)
    torch.nn.init.normal_(head.place.fc2.weight)
    k = K.expand(1, 2, 4)
    pose = torch.eye(4).expand(1, 2, 4, 4).clone()
    pose[:, 1, 0, 3] = 1.0
    wall = torch.full((1, 2, 64, 96), 2.0)
    shifted = k.clone()
    shifted[:, 1, 2] += 40.0  # pixels, a metre at this distance: both lenses show the same part of the wall
    with torch.no_grad():
        both = head.point_embedding(wall, shifted, None, pose, 16)
        torch.testing.assert_close(both[:, 0], both[:, 1], rtol=1e-4, atol=1e-4)
        assert (head.point_embedding(wall, k, None, pose, 16)[:, 1] - both[:, 1]).abs().max() > 1e-2
        angle = math.pi / 6
        c, s = math.cos(angle), math.sin(angle)
        level = torch.tensor([[[1, 0, 0], [0, c, s], [0, -s, c]]])
        tilted = head.point_embedding(wall[:, :1], k[:, :1], level, None, 16)
        assert (tilted - head.point_embedding(wall[:, :1], k[:, :1], None, None, 16)).abs().max() > 1e-2


def test_unknown_depth_is_filled_from_around_it() -> None:
    depth = torch.full((1, 1, 32, 48), 2.0)
    depth[..., 24:] = 8.0
    holed = depth.clone()
    holed[..., 5:9, 5:9] = 0.0
    holed[..., 20:24, 40:44] = math.nan
    whole = filled(holed, torch.tensor([[9.0]]))
    torch.testing.assert_close(whole, depth)
    assert torch.equal(filled(depth, torch.tensor([[9.0]])), depth)
    torch.testing.assert_close(filled(torch.zeros(1, 1, 32, 48), torch.tensor([[9.0]])), torch.full_like(depth, 9.0))


def test_the_depth_is_handed_on_and_less_is_claimed_where_it_was_filled_in() -> None:
    student = measured_student()
    depth = torch.full((1, 1, 64, 96), 3.0)
    depth[..., :10, :10] = 0.0
    with torch.no_grad():
        seen = student.perceive(*views(), depth=depth)
    assert seen.depth_measured
    torch.testing.assert_close(seen.depth, torch.full_like(depth, 3.0))
    assert (seen.depth_confidence[..., :10, :10] < 0.5).all()
    assert (seen.depth_confidence[..., 10:, :] > 0.9).all()
    assert (seen.patch_points[0, 0, :, 2].abs() > 0.1).any()


def test_depth_is_required_exactly_where_it_is_an_input() -> None:
    measured, predicting = measured_student(), small_student()
    with pytest.raises(ValueError, match=r"depth must be given: this student .*depth.kind 'measured'.*Got None"):
        measured.perceive(*views())
    with pytest.raises(ValueError, match=r"depth must be None: this student predicts depth itself.*\(1, 1, 64, 96\)"):
        predicting.perceive(*views(), depth=torch.ones(1, 1, 64, 96))
    with pytest.raises(ValueError, match=r"depth must be \(1, 1, 64, 96\) floats.*Got \(1, 64, 96\)"):
        measured.perceive(*views(), depth=torch.ones(1, 64, 96))
    with pytest.raises(ValueError, match=r"depth.metric must be true with depth.kind 'measured'"):
        DepthConfig(kind="measured", metric=False)


def test_several_frames_have_their_own_measured_depths() -> None:
    student = measured_student()
    images, k = views(2, 3)
    poses = torch.eye(4).expand(2, 3, 4, 4)
    depth = torch.rand(2, 3, 64, 96) + 1.0
    with torch.no_grad():
        seen = student.perceive(images, k, None, poses, depth)
    torch.testing.assert_close(seen.depth, depth)


def test_a_checkpoint_keeps_it(tmp_path: Path) -> None:
    student = measured_student()
    save_student(tmp_path / "s", student)
    again = load_student(tmp_path / "s")
    depth = torch.full((1, 1, 64, 96), 2.0)
    with torch.no_grad():
        a, b = (s.perceive(*views(), depth=depth).detections.class_logits for s in (student, again))
    assert again.takes_depth
    torch.testing.assert_close(a, b)


def test_a_new_student_starts_from_a_smaller_one_on_disk(tmp_path: Path) -> None:
    smaller = smaller_student()
    save_student(tmp_path / "s", smaller)
    shape = {
        "encoder": {"dim": 32, "pairs": 3, "heads": 2, "joint_frames": True},
        "detection": {"queries": 6, "layers": 3, "heads": 2, "hidden": 32, "region": 3},
        "language": {"dim": 32, "layers": 3, "heads": 2, "mlp_dim": 48, "pointer_dim": 16},
        "hidden_cot": {"tokens": 3},
    }
    stages = (StageConfig(name="perception", kind="perception"),)
    said: list[str] = []
    config = TrainConfig(preset="privileged", student=shape, start_from=str(tmp_path / "s"), stages=stages)
    student = new_student(config, said.append)
    assert student.takes_depth
    assert student.config.labels == smaller.config.labels
    assert student.language.tokenizer.to_str() == smaller.language.tokenizer.to_str()
    assert torch.equal(student.encoder.patch_embed.stem.weight, smaller.encoder.patch_embed.stem.weight)
    assert "beginning as the student in" in said[0]
    assert "tensors taken; new: " in said[0]
    with pytest.raises(ValueError, match=r"language_model must be empty with start_from.*'scratch'"):
        new_student(replace(config, language_model="scratch"))
    with pytest.raises(FileNotFoundError, match=r"model must be a folder with a student.*Got '/nowhere'"):
        new_student(replace(config, start_from="/nowhere"))


def test_the_preset_is_picos_widths_with_more_layers() -> None:
    small, large = pico(("chair",)), privileged(("chair",))
    assert large.depth.kind == "measured"
    for part, more in (("encoder", "pairs"), ("detection", "layers"), ("language", "layers")):
        ours, theirs = large.to_dict()[part], small.to_dict()[part]
        assert ours.pop(more) > theirs.pop(more)
        assert ours == theirs
