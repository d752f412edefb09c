"""Encoder and heads: shapes, sizes, geometry, gradients, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.student_fixtures import LABELS, small_config, small_student, views
from torch.nn import functional

from distill3d_ros.scene.geometry import level_rotation
from distill3d_ros.student.config import DepthConfig, DetectionConfig, EncoderConfig
from distill3d_ros.student.encoder.attention import attend, attention_bias
from distill3d_ros.student.encoder.vggt import Attention, apply_rope, rope_2d
from distill3d_ros.student.heads.camera import CameraHead
from distill3d_ros.student.heads.region_features import RegionFeatures
from distill3d_ros.student.outputs import map_tensors
from distill3d_ros.student.rays import level_from_optical, level_points, patch_centers, rays_at
from distill3d_ros.student.student import Student


def unit(*values: float) -> torch.Tensor:
    return functional.normalize(torch.tensor(values, dtype=torch.float32), dim=-1)


@pytest.mark.parametrize(("height", "width", "frames"), [(64, 96, 1), (32, 160, 1), (96, 64, 2)])
def test_shapes_for_any_multiple_of_32_and_several_frames(height: int, width: int, frames: int) -> None:
    student = small_student()
    with torch.no_grad():
        seen = student.perceive(*views(2, frames, height=height, width=width))
    patches = height * width // 256
    assert seen.depth.shape == seen.depth_confidence.shape == (2, frames, height, width)
    assert seen.grid == (height // 16, width // 16)
    assert seen.patch_tokens.shape == (2, frames, patches, 32)
    assert seen.proposals.class_logits.shape == (2, patches, len(LABELS))
    assert seen.detections.center.shape == seen.detections.size.shape == (2, 6, 3)
    assert len(seen.decoder_layers) == 1
    assert seen.query_patch.shape == (2, 6)
    assert ((seen.depth_confidence > 0) & (seen.depth_confidence < 1)).all()
    torch.testing.assert_close(seen.up.norm(dim=-1), torch.ones(2, frames))
    assert ((seen.fov > 0) & (seen.fov < math.pi)).all()
    assert all(len(set(row)) == len(row) for row in seen.query_patch.tolist())


def test_depth_scales_exactly_with_the_focal_length() -> None:
    """The same image through a lens twice as long: everything is twice as far away."""
    student = small_student()
    with torch.no_grad():
        images, k = views(focal=80.0)
        near = student.perceive(images, k).depth
        far = student.perceive(images, k * torch.tensor([2.0, 2.0, 1.0, 1.0])).depth
        stretched = student.perceive(images, k * torch.tensor([4.0, 1.0, 1.0, 1.0])).depth
    assert near.std() > 0
    torch.testing.assert_close(far, 2 * near, rtol=1e-5, atol=0)
    torch.testing.assert_close(stretched, 2 * near, rtol=1e-5, atol=0)  # geometric mean of fx and fy


def test_bfloat16_perceives_nearly_the_same_and_does_not_touch_training() -> None:
    exact, rounded = small_student(), small_student(inference_dtype="bfloat16")
    with torch.no_grad():
        a, b = exact.perceive(*views()).depth, rounded.perceive(*views()).depth
    assert b.dtype == torch.float32
    assert 0 < (a / b).log().abs().max() < 0.05
    assert torch.equal(rounded.perceive(*views()).depth, exact.perceive(*views()).depth)


def test_frames_of_other_scenes_do_not_matter_but_frames_of_the_same_do() -> None:
    student = small_student()
    images, k = views(2, 2)
    with torch.no_grad():
        both = student.perceive(images, k)
        alone = student.perceive(images[:1], k[:1])
        changed = images.clone()
        changed[0, 1] = 0.0
        other = student.perceive(changed, k)
    torch.testing.assert_close(both.depth[:1], alone.depth, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(both.depth[0, 0], other.depth[0, 0], rtol=1e-6)
    torch.testing.assert_close(both.depth[1], other.depth[1], rtol=1e-4, atol=1e-5)


def test_box_centres_agree_with_their_pixels_depths_and_level_frame() -> None:
    student = small_student()
    images, k = views()
    up = unit(0.1, -0.9, 0.3).expand(1, 1, 3)
    with torch.no_grad():
        seen = student.perceive(images, k, up)
    box = seen.detections
    u = k[0, 0, 0] * box.center[..., 0] / box.center[..., 2] + k[0, 0, 2]
    v = k[0, 0, 1] * box.center[..., 1] / box.center[..., 2] + k[0, 0, 3]
    torch.testing.assert_close(torch.stack([u, v], -1), box.center_uv, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(box.center[..., 2], box.depth)
    rotation = torch.tensor(level_rotation(up[0, 0].numpy()), dtype=torch.float32)
    torch.testing.assert_close(box.center_level[0], box.center[0] @ rotation.T, rtol=1e-4, atol=1e-5)
    azimuth = torch.atan2(box.center_level[..., 0], box.center_level[..., 2])
    expected = torch.atan2(box.angle[..., 0], box.angle[..., 1]) + azimuth
    torch.testing.assert_close(torch.cos(box.yaw - expected), torch.ones_like(azimuth), atol=1e-5, rtol=0)


def test_level_frame_is_the_scenes_own_and_survives_looking_straight_down() -> None:
    for up in (unit(0, -1, 0), unit(0.2, -0.8, -0.5), unit(-0.6, -0.5, 0.1)):
        expected = level_rotation(up.numpy())
        np.testing.assert_allclose(level_from_optical(up[None])[0].numpy(), expected, atol=1e-5)
    down = level_from_optical(torch.tensor([[0.0, 0.0, -1.0]]))[0]
    torch.testing.assert_close(down @ down.T, torch.eye(3))
    torch.testing.assert_close(torch.linalg.det(down), torch.tensor(1.0))


def test_patch_points_lie_on_the_rays_of_their_centres() -> None:
    k = torch.tensor([[[50.0, 60.0, 20.0, 10.0]]])
    uv = patch_centers((2, 3), 16, k)
    assert uv[:4].tolist() == [[7.5, 7.5], [23.5, 7.5], [39.5, 7.5], [7.5, 23.5]]
    depth = torch.full((1, 1, 6), 2.0)
    points = level_points(depth, k, (2, 3), torch.eye(3)[None])
    torch.testing.assert_close(points[..., :2], 2 * rays_at(uv, k))


def test_up_depends_on_the_lens_and_field_of_view_does_not() -> None:
    torch.manual_seed(0)
    head, token = CameraHead(32), torch.randn(1, 1, 32)
    wide, long = torch.tensor([[[60.0, 60, 47, 31]]]), torch.tensor([[[200.0, 200, 47, 31]]])
    up_wide, fov_wide = head(token, wide, (64, 96))
    up_long, fov_long = head(token, long, (64, 96))
    assert torch.equal(fov_wide, fov_long)
    assert not torch.allclose(up_wide, up_long, atol=1e-4)


def test_rope_depends_on_differences_only_and_leaves_special_tokens() -> None:
    cos, sin = rope_2d((4, 5), 3, 16, 100.0, torch.device("cpu"))
    torch.manual_seed(0)
    q, k = torch.randn(16), torch.randn(16)
    turned_q, turned_k = apply_rope(q.expand(23, 16), cos, sin), apply_rope(k.expand(23, 16), cos, sin)
    torch.testing.assert_close(turned_q[:3], q.expand(3, 16))
    torch.testing.assert_close(turned_q.norm(dim=-1), q.norm().expand(23))
    scores = turned_q[3:].unflatten(0, (4, 5)).flatten(0, 1) @ turned_k[3:].T  # (20, 20)
    at = scores.unflatten(0, (4, 5)).unflatten(2, (4, 5))  # [y, x, y', x']
    torch.testing.assert_close(at[0, 0, 1, 2], at[2, 1, 3, 3])
    torch.testing.assert_close(at[3, 4, 0, 1], at[3, 3, 0, 0])
    assert abs(at[0, 0, 1, 2] - at[0, 0, 2, 1]) > 1e-4


def test_rope_pairs_channels_within_their_half() -> None:
    """First half by row, second by column; channel i with i + quarter (GPT-NeoX order), base 100 as in VGGT."""
    cos, sin = rope_2d((2, 2), 0, 8, 100.0, torch.device("cpu"))
    turned = apply_rope(torch.eye(8), cos[1].expand(8, 8), sin[1].expand(8, 8))  # token (row 1, column 2)
    assert turned[0, 0] == pytest.approx(math.cos(1.0))
    assert turned[0, 2] == pytest.approx(math.sin(1.0))
    assert turned[4, 4] == pytest.approx(math.cos(2.0))
    assert turned[5, 7] == pytest.approx(math.sin(2.0 * 100**-0.5))


def test_qk_norm_makes_attention_blind_to_the_scale_of_queries_and_keys() -> None:
    torch.manual_seed(0)
    attention, x = Attention(32, 2, qk_norm=True), torch.randn(1, 7, 32)
    rotation = rope_2d((1, 7), 0, 16, 100.0, torch.device("cpu"))
    with torch.no_grad():
        before = attention(x, rotation)
        for parameter in (attention.qkv.weight, attention.qkv.bias):
            parameter[:64] *= 50.0  # queries and keys; the 32 rows of the values stay
        after = attention(x, rotation)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)


def test_attention_with_and_without_gradients_agree() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 3, 5, 8), torch.randn(2, 3, 7, 8), torch.randn(2, 3, 7, 8)
    bias = attention_bias(torch.rand(2, 1, 5, 7) > 0.3)
    trained = attend(q.requires_grad_(), k, v, bias)
    with torch.no_grad():
        fused = attend(q, k, v, bias)
    torch.testing.assert_close(trained, fused, rtol=1e-5, atol=1e-5)


def test_gradients_reach_every_trainable_parameter_of_the_perception() -> None:
    student = small_student().train()
    seen = student.perceive(*views(2))
    outputs: list[torch.Tensor] = []
    map_tensors(seen, lambda x: outputs.append(x) or x)
    torch.manual_seed(0)
    loss = sum((x.float() * torch.randn_like(x.float())).mean() for x in outputs if x.requires_grad)
    loss.backward()
    parameters = [(n, p) for n, p in student.named_parameters() if not n.startswith("language.")]
    assert [n for n, p in parameters if p.requires_grad and (p.grad is None or not p.grad.abs().sum() > 0)] == []
    frozen = [n for n, p in parameters if not p.requires_grad]
    assert frozen
    assert all(n.startswith(("encoder.patch_embed.stem", "encoder.patch_embed.blocks.")) for n in frozen)


def test_a_box_error_does_not_bend_the_depth() -> None:
    student = small_student()
    student.perceive(*views()).detections.center.sum().backward()
    assert all(p.grad is None for p in student.depth_head.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, k: (i[..., :60], k), r"multiples of 32.*Got 60x64"),
        (lambda i, k: (i[0], k), r"images must be \(B, S, 3, H, W\)"),
        (lambda i, k: ((i * 255).to(torch.uint8), k), r"floats in 0..1.*uint8"),
        (lambda i, k: (i * torch.nan, k), r"images must be finite"),
        (lambda i, k: (i, k[:, :, :3]), r"intrinsics must be \(1, 1, 4\).*Got \(1, 1, 3\)"),
        (lambda i, k: (i, k * torch.tensor([torch.nan, 1, 1, 1])), r"intrinsics must be finite.*nan"),
        (lambda i, k: (i, k * torch.tensor([0.0, 1, 1, 1])), r"positive focal lengths.*0\.0"),
        (lambda i, k: (i, k, torch.tensor([[[0.0, -2.0, 0.0]]])), r"up must hold unit vectors.*2\.0"),
        (lambda i, k: (i, k, torch.full((1, 1, 3), torch.nan)), r"up must hold unit vectors.*nan"),
        (lambda i, k: (i, k, torch.zeros(1, 2, 3)), r"up must be \(1, 1, 3\)"),
    ],
)
def test_bad_views_are_named(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_student().perceive(*change(*views()))


def test_bad_configurations_are_named() -> None:
    with pytest.raises(ValueError, match=r"encoder.heads.*Got 5"):
        EncoderConfig(heads=5)
    with pytest.raises(ValueError, match=r"encoder.patch_embed must be one of.*'resnet'"):
        EncoderConfig(patch_embed="resnet")
    with pytest.raises(ValueError, match=r"frozen_blocks must be at most 16. Got 17"):
        small_student(encoder=EncoderConfig(dim=32, heads=2, frozen_blocks=17))


def test_boxes_look_into_their_rectangles() -> None:
    """A change of the picture inside a box's rectangle, too fine for the patches, reaches that box."""
    student = small_student(detection=DetectionConfig(queries=6, hidden=32, heads=2, layers=1, region=3))
    (regions,) = student.detection_head.regions
    assert isinstance(regions, RegionFeatures)
    fine = {8: torch.zeros(2, 40, 8, 12), 4: torch.randn(2, 24, 16, 24)}
    corners = torch.tensor([[[8.0, 8.0, 40.0, 40.0], [60.0, 20.0, 80.0, 50.0], [-90.0, 8.0, -10.0, 40.0]]])
    frame, depth = torch.tensor([[0, 1, 0]]), torch.zeros(1, 2, 16, 24)
    torch.nn.init.normal_(regions.mlp.fc2.weight)
    before = regions(corners, frame, fine, depth, torch.zeros(1, 3))
    fine[4][0, :, 3:9, 3:9] += 1.0 + torch.randn(24, 6, 6)  # in the first frame, about pixel 24
    after = regions(corners, frame, fine, depth, torch.zeros(1, 3))
    changed = (after - before).abs().amax(-1)[0]
    assert changed[0] > 1e-3
    assert changed[1] == 0  # it is of the second frame
    assert changed[2] == 0  # nothing of it is in the picture
    nearer = regions(corners, frame, fine, depth, torch.tensor([[0.5, 0.0, 0.0]]))
    assert (nearer - after).abs().amax(-1)[0, 0] > 1e-3
    with pytest.raises(ValueError, match=r"detection.region must be 0 with dinov2"):
        vggt_student_with_regions()


def vggt_student_with_regions() -> Student:
    encoder = EncoderConfig(patch_embed="dinov2", dim=32, heads=2, pairs=4, intermediate_layers=(0, 1, 2, 3))
    depth = DepthConfig(kind="dpt", dpt_features=16, dpt_channels=(8, 8, 8, 8))
    return small_student(encoder=encoder, depth=depth, detection=DetectionConfig(region=3, heads=2))


def motion(metres: tuple[float, float, float], yaw: float) -> torch.Tensor:
    """(4, 4) a step and a turn about the vertical of an upright camera."""
    pose = torch.eye(4)
    c, s = math.cos(yaw), math.sin(yaw)
    pose[:3, :3] = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    pose[:3, 3] = torch.tensor(metres)
    return pose


def test_boxes_of_every_posed_frame_are_in_the_first_cameras_frame() -> None:
    student = small_student(encoder=replace(small_config().encoder, joint_frames=False))
    with torch.no_grad():  # then the decoder would mix what the frames show
        for layer in student.detection_head.layers:
            layer.proj_cross.weight.zero_()
            layer.proj_self.weight.zero_()
    images, k = views(1, 2)
    up = unit(0, -1, 0).expand(1, 2, 3)
    pose = motion((1.0, -0.2, 3.0), 2.0)
    poses = torch.stack([torch.eye(4), pose])[None]
    with torch.no_grad():
        both = student.perceive(images, k, up, poses)
        alone = [student.perceive(images[:, i : i + 1], k[:, i : i + 1], up[:, i : i + 1]) for i in range(2)]
    patches = both.patch_tokens.shape[2]
    assert both.proposals.center.shape == (1, 2 * patches, 3)
    assert both.detections.center.shape == (1, 12, 3)
    own = torch.cat([a.proposals.center for a in alone], 1)
    expected = torch.cat([own[:, :patches], own[:, patches:] @ pose[:3, :3].T + pose[:3, 3]], 1)
    torch.testing.assert_close(both.proposals.center, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(both.proposals.center_level, expected, rtol=1e-4, atol=1e-4)  # it stands upright
    turned = torch.cat([alone[0].proposals.yaw, alone[1].proposals.yaw + 2.0], 1)
    torch.testing.assert_close((both.proposals.yaw - turned).cos(), torch.ones(1, 2 * patches), rtol=0, atol=1e-4)
    points = alone[1].patch_points[0, 0] @ pose[:3, :3].T + pose[:3, 3]
    torch.testing.assert_close(both.patch_points[0, 1], points, rtol=1e-4, atol=1e-4)
    assert set((both.query_patch // patches).flatten().tolist()) == {0, 1}  # both frames have queries
    torch.testing.assert_close(both.depth, torch.cat([a.depth for a in alone], 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("poses", "message"),
    [
        (torch.eye(4).expand(1, 3, 4, 4), r"poses must be \(1, 2, 4, 4\).*Got \(1, 3, 4, 4\)"),
        (2 * torch.eye(4).expand(1, 2, 4, 4), "finite rigid motions"),
        (torch.full((1, 2, 4, 4), math.nan), "finite rigid motions"),
        (motion((1, 0, 0), 0.0).expand(1, 2, 4, 4), "first of the poses must be the identity"),
    ],
)
def test_bad_poses_are_named(poses: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_student().perceive(*views(1, 2), None, poses)


def test_nine_frames_are_too_many() -> None:
    with pytest.raises(ValueError, match="1 to 8 frames"):
        small_student().perceive(*views(1, 9))
