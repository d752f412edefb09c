"""LLaVA-3D's parts against numbers worked out by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from support.data_samples import make_sample
from support.training.tiny_llava3d import tokenizer, without_pose
from torch import Tensor
from transformers import CLIPVisionConfig, LlamaConfig

from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.training.teachers.llava3d.config import CLIP_L_336, Llava3dConfig
from distill3d_ros.training.teachers.llava3d.model import Llava3d
from distill3d_ros.training.teachers.llava3d.patch_geometry import at_most, patch_points, voxel_ids, voxel_means
from distill3d_ros.training.teachers.llava3d.position import PositionEmbedding
from distill3d_ros.training.teachers.llava3d.processor import (
    square_camera,
    square_depth,
    view_numbers,
    views_of_samples,
)
from distill3d_ros.training.teachers.llava3d.prompts import conversation, token_ids, with_clicks
from distill3d_ros.training.teachers.llava3d.teacher import read_tokenizer


def camera(fx: float, fy: float, cx: float, cy: float) -> Tensor:
    return torch.tensor([[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float32)


def test_patches_lie_where_their_first_pixels_look() -> None:
    """4 x 4 pixels, 2 x 2 patches: pixels (u, v) = (0, 0), (2, 0), (0, 2), (2, 2); focal length 2, centre (1, 2)."""
    depth = torch.zeros(4, 4)
    depth[0, 0], depth[0, 2], depth[2, 0] = 2.0, 4.0, 1.0
    pose = torch.tensor([[1, 0, 0, 1], [0, 0, 1, 2], [0, -1, 0, 1.5], [0, 0, 0, 1]], dtype=torch.float32)
    points = patch_points(depth, pose, camera(2, 2, 1, 2), (2, 2))
    # optical (-1, -2, 2), (2, -4, 4), (-0.5, 0, 1), and the camera itself where depth is unknown
    expected = [[[0, 4, 3.5], [3, 6, 5.5]], [[0.5, 3, 1.5], [1, 2, 1.5]]]
    assert torch.equal(points, torch.tensor(expected))


def test_voxels_are_numbered_by_x_then_y_then_z() -> None:
    points = torch.tensor([[0.41, 0, 0], [0, 0.2, 0], [0, 0, 0.39], [0.05, -0.05, 0.05], [0.4, 0.09, 0], [-0.1, 0, 0]])
    # in fifths of a metre: (2,0,0), (0,1,0), (0,0,2), (0,0,0), (2,0,0), and -0.5, which rounds to even: (0,0,0)
    assert voxel_ids(points).tolist() == [3, 2, 1, 0, 3, 0]
    means = voxel_means(torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0], [8.0]]), voxel_ids(points))
    assert means.tolist() == [[6.0], [3.0], [2.0], [3.0]]
    weighted = voxel_means(torch.tensor([[1.0], [4.0]]), torch.tensor([0, 0]), torch.tensor([2, 1]))
    assert weighted.tolist() == [[2.0]]
    with pytest.raises(ValueError, match="at least one point"):
        voxel_ids(points[:0])


def test_too_many_voxels_lose_the_same_ones_each_time() -> None:
    tokens = torch.arange(20.0)[:, None]
    kept = at_most(tokens, 6)
    assert len(kept) == len(kept.unique()) == 6
    assert torch.equal(kept, at_most(tokens, 6))
    assert at_most(tokens, 20) is tokens


def test_a_position_worked_out_by_hand() -> None:
    embedding = PositionEmbedding(2)
    first, norm, _, last = embedding.position_embedding_head
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 1.0]]))
        first.bias.copy_(torch.tensor([0.0, 1.0]))
        norm.weight.copy_(torch.tensor([2.0, 3.0]))
        norm.bias.copy_(torch.tensor([0.5, 0.5]))
        last.weight.copy_(torch.tensor([[1.0, 1.0], [2.0, 0.0]]))
        last.bias.copy_(torch.tensor([0.0, -1.0]))
        # (3, 1 + 0 + 1) has mean 2.5 and spread 0.5: normed (1, -1), scaled (2.5, -2.5), cut (2.5, 0)
        found = embedding(torch.tensor([3.0, 1.0, 0.0]))
    torch.testing.assert_close(found, torch.tensor([2.5, 4.0]), atol=1e-4, rtol=0)


def test_views_are_taken_evenly_or_again() -> None:
    assert view_numbers(9, 4) == [0, 2, 4, 6]
    assert view_numbers(4, 4) == [0, 1, 2, 3]
    assert view_numbers(3, 4) == [0, 1, 2, 0]
    assert view_numbers(1, 3) == [0, 0, 0]


def test_depth_and_camera_of_the_middle_square() -> None:
    depth = np.arange(8, dtype=np.float32).reshape(2, 4)
    depth[0, 1] = np.nan
    assert square_depth(depth, 2).tolist() == [[0.0, 2.0], [5.0, 6.0]]
    assert square_depth(depth.T.copy(), 2).tolist() == [[0.0, 5.0], [2.0, 6.0]]
    matrix = camera(30, 40, 20, 10).numpy()
    wide = square_camera(matrix, width=40, height=20, side=10)
    assert (wide[0, 0], wide[1, 1], wide[0, 2], wide[1, 2]) == (15, 20, 5, 5)
    upright = square_camera(camera(30, 40, 10, 20).numpy(), width=20, height=40, side=10)
    assert (upright[0, 2], upright[1, 2]) == (5, 5)


def test_points_in_a_question() -> None:
    assert with_clicks("What is at [1.23456, -2, .5] and [0, 1, 2, 3, 4, 5]? [sic]") == (
        "What is at <boxes> and <boxes>? [sic]",
        [(1.235, -2.0, 0.5), (0.0, 1.0, 2.0)],
    )
    with pytest.raises(ValueError, match="must not contain <image>"):
        with_clicks("What is in <image>?")
    with pytest.raises(ValueError, match="template must be one of llava_v1, v1"):
        conversation([("A?", None)], template="v2")


def test_ids_are_encoded_piece_by_piece(tmp_path: Path) -> None:
    """As SentencePiece does, which puts a space before each piece, also before one that begins with a space."""
    tokenizer().save_pretrained(tmp_path)
    words = read_tokenizer(tmp_path)
    ids = token_ids("a<image>\nb <boxes> a", lambda text: words.encode(text, add_special_tokens=False), bos=1)
    space, newline, a, b = words.convert_tokens_to_ids(["▁", "<0x0A>", "a", "b"])
    assert ids == [1, space, a, -200, space, newline, b, space, -300, space, space, a]
    assert words.decode([space, a, space, b]) == "a b"


def test_a_view_without_a_pose_stands_upright() -> None:
    """The sample looks along y of its world; without its pose it stands in the same world, at the origin."""
    sample = make_sample()
    found = views_of_samples([without_pose(sample)], side=28, frames=1).world_from_camera[0]
    expected = torch.from_numpy(sample.frame.world_from_camera).float()
    expected[:3, 3] = 0
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_pictures_go_through_clips_processor() -> None:
    """An even grey: (value / 255 - mean) / spread, by channel."""
    sample = make_sample()
    intrinsics = Intrinsics.from_fov(width=64, height=48, horizontal_fov=1.0)
    grey = Frame(image=np.full((48, 64, 3), 102, np.uint8), intrinsics=intrinsics)
    images = views_of_samples([dataclasses.replace(sample, frame=grey)], side=28, frames=1).images[0]
    mean, spread = np.array([0.48145466, 0.4578275, 0.40821073]), np.array([0.26862954, 0.26130258, 0.27577711])
    expected = torch.from_numpy((0.4 - mean) / spread).float()[:, None, None].expand(3, 28, 28)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)


def test_the_public_size_has_the_published_numbers_of_weights() -> None:
    """Without a weight in memory; the counts are those of the published modules."""
    llama = LlamaConfig(intermediate_size=11008, num_hidden_layers=32, rms_norm_eps=1e-5)
    clip = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16,
                            image_size=336, patch_size=14)  # fmt: skip
    config = Llava3dConfig(llama=llama, clip=clip, tower=CLIP_L_336, frames=20, max_length=4096)
    with torch.device("meta"):
        model = Llava3d(config)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counts["patch_position"] == 1_055_744
    assert counts["click_position"] == 16_805_888
    assert counts["projector"] == 20_979_712
    assert counts["language"] == 6_738_415_616  # Llama-2-7B
    assert model.config.grid == (24, 24)
