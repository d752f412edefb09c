"""A student with VGGT's encoder and heads: what it hands on, and where it thinks that several frames stand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from support.student_fixtures import small_config, small_student, views

from distill3d_ros.student.config import DepthConfig, DetectionConfig, Dinov2Config, EncoderConfig, PoseConfig
from distill3d_ros.student.heads.pose_encoding import decode_poses, inverse_poses
from distill3d_ros.student.student import Student


def vggt_student(**changes) -> Student:
    """A small student with VGGT's encoder and depth head."""
    return small_student(
        encoder=EncoderConfig(
            patch_embed="dinov2",
            dim=32,
            heads=2,
            pairs=4,
            intermediate_layers=(0, 1, 2, 3),
            dinov2=Dinov2Config(layers=1, heads=2, image_size=28),
        ),
        depth=DepthConfig(kind="dpt", dpt_features=16, dpt_channels=(8, 8, 8, 8)),
        detection=DetectionConfig(dim=16, queries=6, heads=2, hidden=32),
        **changes,
    )


def test_a_student_with_vggt_inside_perceives_and_answers_in_bfloat16() -> None:
    """What it hands on is float32 all the same: metres in 8 bits would be steps of a centimetre."""
    student = vggt_student(inference_dtype="bfloat16")
    with torch.no_grad():
        seen = student.perceive(*views(1, 2, height=28, width=42))
        (answer,) = student.answer(student.cache(student.prefix(seen)), ["Is the chair near the table?"])
    boxes = seen.detections
    for tensor in (seen.depth, seen.patch_points, seen.patch_tokens, boxes.center_level, boxes.size):
        assert tensor.dtype == torch.float32
    assert seen.depth.shape == (1, 2, 28, 42)
    assert 0 <= answer.confidence <= 1


def test_a_pose_head_tells_where_the_frames_stand_in_the_metres_of_the_depth() -> None:
    student = vggt_student(pose=PoseConfig(layers=1, heads=2, iterations=2))
    assert student.pose_head is not None
    seen: list[torch.Tensor] = []
    student.pose_head.register_forward_hook(lambda module, args, out: seen.append(out[-1]))
    given = views(1, 3, height=28, width=42)
    with torch.no_grad():
        student.depth_head.scale.fc2.weight.zero_()
        student.depth_head.scale.fc2.bias.fill_(0.7)
        found = student.perceive(*given)
        told = student.perceive(*given, None, found.poses)
        alone = student.perceive(given[0][:, :1], given[1][:, :1])
        student.depth_head.scale.fc2.bias.fill_(0.7 + math.log(2))
        twice = student.perceive(*given)
    assert found.poses is not None
    assert twice.poses is not None
    assert alone.poses is None
    assert len(seen) == 2  # neither where poses are given nor for one frame
    torch.testing.assert_close(found.poses[:, 0], torch.eye(4)[None])
    extrinsics = decode_poses(seen[0], (28, 42))[0][0]
    expected = inverse_poses(inverse_poses(extrinsics[:1])) @ inverse_poses(extrinsics)
    torch.testing.assert_close(found.poses[0, :, :3, :3], expected[:, :3, :3], rtol=1e-4, atol=1e-5)
    metres = found.poses[0, 1:, :3, 3].norm(dim=-1) / expected[1:, :3, 3].norm(dim=-1)
    focal = given[1][0, 0, :2].log().mean().exp() / student.config.depth.canonical_focal
    torch.testing.assert_close(metres, (focal * math.exp(0.7)).expand(2), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(told.detections.center, found.detections.center, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(twice.depth, 2 * found.depth, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(twice.poses[0, :, :3, 3], 2 * found.poses[0, :, :3, 3], rtol=1e-3, atol=1e-5)
    assert found.detections.center.shape == (1, 18, 3)  # every frame proposes
    with pytest.raises(ValueError, match=r"pose.layers must be 0 with encoder.joint_frames false"):
        small_student(pose=PoseConfig(layers=1, heads=2), encoder=replace(small_config().encoder, joint_frames=False))
