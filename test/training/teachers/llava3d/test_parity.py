"""LLaVA-3D's parts against numbers of the published code on small random networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny_llava3d import random_state, write_config
from torch import Tensor

from distill3d_ros.training.teachers.llava3d.config import read_config
from distill3d_ros.training.teachers.llava3d.model import IGNORE, Llava3d, padded
from distill3d_ros.training.teachers.llava3d.patch_geometry import patch_points, voxel_ids, voxel_means
from distill3d_ros.training.teachers.llava3d.position import PositionEmbedding
from distill3d_ros.training.teachers.llava3d.processor import Views, square_camera, square_depth
from distill3d_ros.training.teachers.llava3d.prompts import conversation, token_ids
from distill3d_ros.training.teachers.llava3d.weights import load_weights

PARITY = Path(__file__).parents[5] / "shared" / "parity" / "llava3d"
pytestmark = pytest.mark.skipif(not PARITY.is_dir(), reason="the numbers of the published code are not here")
TOLERANCE = 5e-6
"""The largest difference is 1e-6."""
ROUGH = 0.02
"""Of the largest value, for bfloat16."""


def close(found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def roughly(found: Tensor, expected: Tensor) -> None:
    expected = expected.float()
    close(found.float(), expected, ROUGH * float(expected.abs().max()))


def position_embedding(numbers: dict[str, Tensor], prefix: str) -> PositionEmbedding:
    weights = {name.removeprefix(prefix): value for name, value in numbers.items() if name.startswith(prefix)}
    embedding = PositionEmbedding(len(weights["position_embedding_head.0.bias"]))
    embedding.load_state_dict(weights)
    return embedding.requires_grad_(False)


def test_positions_agree() -> None:
    numbers = load_file(PARITY / "posemb.safetensors")
    embedding = position_embedding(numbers, "w.")
    for case in ("n2", "n3", "n5", "tiny", "zeros"):
        close(embedding(numbers[f"in.{case}"]), numbers[f"out.{case}"])
    # So small a spread that a wrong epsilon of the LayerNorm shows.
    close(position_embedding(numbers, "eps.w.")(numbers["eps.in"]), numbers["eps.out"])
    roughly(embedding.bfloat16()(numbers["in.n3"].bfloat16()), numbers["out_bf16.n3"])


@pytest.mark.parametrize("case", ["small", "ratio", "full"])
def test_points_and_voxels_agree(case: str) -> None:
    numbers = load_file(PARITY / "geometry.safetensors")
    depth = numbers[f"{case}.depths_mm"].float() / 1000
    camera = numbers[f"{case}.poses"], numbers[f"{case}.intrinsics"]
    if f"{case}.xyz_full" in numbers:
        close(patch_points(depth, *camera, tuple(depth.shape[-2:])), numbers[f"{case}.xyz_full"])
    points = patch_points(depth, *camera, tuple(numbers[f"{case}.grid_hw"].tolist()))
    close(points, numbers[f"{case}.xyz_grid"])
    for prefix, grid in (("", points), ("bf16.", numbers[f"{case}.bf16.xyz_grid"])):
        total = 0
        ends = numbers[f"{case}.{prefix}batch_offset"].tolist()
        for scene, expected, end in zip(grid, numbers[f"{case}.{prefix}p2v"], ends, strict=True):
            ids = voxel_ids(scene.flatten(0, 2))
            assert torch.equal(ids, expected.long())
            total += int(ids.max()) + 1
            assert total == end


def test_voxels_agree_in_order_rounding_and_mean() -> None:
    numbers = load_file(PARITY / "geometry.safetensors")
    points = numbers["vox.in"].flatten(0, 3)
    ids = voxel_ids(points)
    assert torch.equal(ids, numbers["vox.p2v"][0].long())
    assert torch.equal(voxel_ids(points, size=0.28), numbers["vox.p2v_default028"][0].long())
    close(voxel_means(numbers["vox.feat"], ids), numbers["vox.mean"])


@pytest.mark.parametrize("number", range(5))
def test_depth_and_cameras_agree(number: int) -> None:
    numbers = np.load(PARITY / "processor.npz")
    side = json.loads((PARITY / "config.json").read_text())["crop"]
    stored = numbers[f"depth{number}.in"]
    scale = 1000 if number % 2 == 0 else 4000
    depth = square_depth(stored.astype(np.float32) / np.float32(scale), side)
    close(depth, torch.from_numpy(numbers[f"depth{number}.out"]), 1e-7)
    height, width = stored.shape
    for k in ("K", "K2"):
        found = square_camera(
            numbers[f"depth{number}.{k}_in"], width=width, height=height, side=side, published_portrait=True
        )
        np.testing.assert_allclose(found, numbers[f"depth{number}.{k}_out"], rtol=0, atol=1e-9)


def test_prompts_and_ids_agree() -> None:
    *asked, answered = json.loads((PARITY / "prompts.json").read_text())
    for one in asked:
        prompt = conversation([(one["query_after_box_substitution"], None)], template=one["template"])
        assert prompt == one["prompt"]
        assert token_ids(prompt, lambda text: [100 + ord(c) % 50 for c in text], bos=1) == one["input_ids"]
    assert conversation([("A?", "B.")], template=answered["template"]) == answered["prompt"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixtures' front end in the public layout, with a language model of random weights behind it."""
    folder = tmp_path_factory.mktemp("llava3d")
    sizes = json.loads((PARITY / "config.json").read_text())
    front = load_file(PARITY / "frontend_weights.safetensors")
    vocabulary, width = front["model.embed_tokens.weight"].shape
    llama = {"vocab_size": vocabulary, "hidden_size": width, "intermediate_size": 64, "num_hidden_layers": 1,
             "num_attention_heads": 4, "rms_norm_eps": 1e-5, "max_position_embeddings": 64}  # fmt: skip
    write_config(folder, clip=sizes["clip"], llama=llama, num_frames=sizes["V"])
    behind = {n: v for n, v in random_state(folder).items() if n.startswith(("model.layers.", "model.norm", "lm_head"))}
    save_file(front | behind, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def network(folder: Path, precision: str) -> Llava3d:
    model = Llava3d(read_config(folder))

    def no_clip() -> Path:
        raise AssertionError("the checkpoint has CLIP")

    load_weights(model, folder, precision=precision, device=torch.device("cpu"), clip_folder=no_clip)
    return model


def views(numbers: dict[str, Tensor]) -> Views:
    images, depths, poses, cameras = (numbers[f"in.{n}"][0] for n in ("images", "depths", "poses", "intrinsics"))
    repeats = torch.ones(len(images), dtype=torch.long)
    return Views(images=images, depths=depths, world_from_camera=poses, intrinsics=cameras, repeats=repeats)


@torch.no_grad()
def test_the_front_end_agrees(checkpoint: Path) -> None:
    numbers = load_file(PARITY / "frontend_fp32.safetensors")
    model, seen = network(checkpoint, "float32"), views(numbers)
    features = model.patch_features(seen.images)
    close(features, numbers["mid.clip_features"])
    points = patch_points(seen.depths, seen.world_from_camera, seen.intrinsics, model.config.grid)
    close(points, numbers["mid.xyz_grid"][0])
    places = model.patch_position(points)
    close(places, numbers["mid.pos_embed"][0])
    pooled = voxel_means((features + places.flatten(1, 2)).flatten(0, 1), voxel_ids(points.flatten(0, 2)))
    close(pooled, numbers["mid.pooled"])
    visual = model.visual_tokens(seen)
    assert len(visual) == int(numbers["mid.batch_offset"][-1])
    close(visual, numbers["mid.projected"])
    clicks = model.click_tokens(numbers["in.clicks"])
    close(clicks, numbers["mid.click_features"])
    close(model.splice(numbers["in.input_ids"][0].tolist(), visual, clicks)[0], numbers["out.inputs_embeds"][0])
    picture = model.projector(model.patch_features(numbers["in.image2d"]))[0]
    close(
        model.splice(numbers["in.input_ids_2d"][0].tolist(), picture, clicks[:0])[0], numbers["out.inputs_embeds_2d"][0]
    )
    rows = []
    for row, tokens, points in ((0, visual, clicks[:1]), (1, picture, clicks[:0])):
        here = numbers["in.attention_mask_batch"][row]
        ids, labels = (numbers[f"in.{name}_batch"][row][here].tolist() for name in ("input_ids", "labels"))
        rows.append(model.splice(ids, tokens, points, labels))
    embedded, mask = padded([embeddings for embeddings, _ in rows])
    close(embedded, numbers["out.batch.inputs_embeds"])
    assert torch.equal(mask, numbers["out.batch.attention_mask"])
    assert torch.equal(padded([labels for _, labels in rows], value=IGNORE)[0], numbers["out.batch.labels"])


@torch.no_grad()
def test_the_front_end_agrees_roughly_in_16_bits(checkpoint: Path) -> None:
    """From the published code's own points: ours stay float32."""
    numbers = load_file(PARITY / "frontend_bf16.safetensors")
    model = network(checkpoint, "bfloat16")
    features = model.patch_features(numbers["in.images"][0])
    assert features.dtype == torch.bfloat16
    roughly(features, numbers["mid.clip_features"])
    points = numbers["mid.xyz_grid"][0].float()
    places = model.patch_position(points)
    roughly(places, numbers["mid.pos_embed"][0])
    pooled = voxel_means((features + places.flatten(1, 2)).flatten(0, 1), voxel_ids(points.flatten(0, 2)))
    roughly(pooled, numbers["mid.pooled"])
    visual = model.projector(pooled.bfloat16())
    roughly(visual, numbers["mid.projected"])
    clicks = model.click_tokens(numbers["in.clicks"])
    roughly(clicks, numbers["mid.click_features"])
    roughly(model.splice(numbers["in.input_ids"][0].tolist(), visual, clicks)[0], numbers["out.inputs_embeds"][0])
