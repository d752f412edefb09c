"""LLaVA-3D's parts against numbers of small random networks.

The fixtures are those of a reference in numpy (``support/parity``), which itself agrees with what the published code
gave; where that was recorded, the same tests read it, too.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.parity import llava3d as reference
from support.parity.llava3d_fixtures import make_llava3d
from support.parity.sources import FIXTURES, both, numbers, source
from support.training.tiny_llava3d import random_state, write_config
from torch import Tensor

from distill3d_ros.training.teachers.llava3d.config import read_config
from distill3d_ros.training.teachers.llava3d.model import IGNORE, Llava3d, padded
from distill3d_ros.training.teachers.llava3d.patch_geometry import patch_points, voxel_ids, voxel_means
from distill3d_ros.training.teachers.llava3d.position import PositionEmbedding
from distill3d_ros.training.teachers.llava3d.processor import Views, square_camera, square_depth
from distill3d_ros.training.teachers.llava3d.prompts import conversation, token_ids
from distill3d_ros.training.teachers.llava3d.weights import load_weights

FOLDERS = both("llava3d")
VIEWS = [
    pytest.param(folder.values[0], case, id=f"{folder.id}-{case}", marks=folder.marks)
    for folder in FOLDERS
    for case in ("small", "ratio", "full")[: 2 if folder.id == "fixtures" else 3]
]
TOLERANCE = 5e-6
"""The largest difference is 1e-6."""
ROUGH = 0.02
"""Of the largest value, for bfloat16."""


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    """Of the numbers to agree with."""
    return request.param


def close(found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def roughly(found: Tensor, expected: Tensor) -> None:
    expected = expected.float()
    close(found.float(), expected, ROUGH * float(expected.abs().max()))


def position_embedding(given: dict[str, Tensor], prefix: str) -> PositionEmbedding:
    weights = {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}
    embedding = PositionEmbedding(len(weights["position_embedding_head.0.bias"]))
    embedding.load_state_dict(weights)
    return embedding.requires_grad_(False)


def test_positions_agree(folder: Path) -> None:
    given = numbers(folder / "posemb.safetensors")
    embedding = position_embedding(given, "w.")
    for case in ("n2", "n3", "n5", "tiny", "zeros"):
        close(embedding(given[f"in.{case}"]), given[f"out.{case}"])
    # So small a spread that a wrong epsilon of the LayerNorm shows.
    close(position_embedding(given, "eps.w.")(given["eps.in"]), given["eps.out"])
    expected = given.get("out_bf16.n3", given["out.n3"])
    roughly(embedding.bfloat16()(given["in.n3"].bfloat16()), expected)


@pytest.mark.parametrize(("numbers_of", "case"), VIEWS)
def test_points_and_voxels_agree(numbers_of: Path, case: str) -> None:
    given = numbers(numbers_of / "geometry.safetensors")
    depth = given[f"{case}.depths_mm"].float() / 1000
    camera = given[f"{case}.poses"], given[f"{case}.intrinsics"]
    if f"{case}.xyz_full" in given:
        close(patch_points(depth, *camera, tuple(depth.shape[-2:])), given[f"{case}.xyz_full"])
    points = patch_points(depth, *camera, tuple(given[f"{case}.grid_hw"].tolist()))
    close(points, given[f"{case}.xyz_grid"])
    grids = {"": points, "bf16.": given.get(f"{case}.bf16.xyz_grid")}  # the published code's points in 16 bits
    for prefix, grid in grids.items():
        if grid is None:
            continue
        total = 0
        ends = given[f"{case}.{prefix}batch_offset"].tolist()
        for scene, expected, end in zip(grid, given[f"{case}.{prefix}p2v"], ends, strict=True):
            ids = voxel_ids(scene.flatten(0, 2))
            assert torch.equal(ids, expected.long())
            total += int(ids.max()) + 1
            assert total == end


def test_voxels_agree_in_order_rounding_and_mean(folder: Path) -> None:
    given = numbers(folder / "geometry.safetensors")
    points = given["vox.in"].flatten(0, 3)
    ids = voxel_ids(points)
    assert torch.equal(ids, given["vox.p2v"][0].long())
    assert torch.equal(voxel_ids(points, size=0.28), given["vox.p2v_default028"][0].long())
    close(voxel_means(given["vox.feat"], ids), given["vox.mean"])


@pytest.mark.parametrize("number", range(5))
def test_depth_and_cameras_agree(folder: Path, number: int) -> None:
    given = np.load(folder / "processor.npz")
    side = json.loads((folder / "config.json").read_text())["crop"]
    stored = given[f"depth{number}.in"]
    scale = 1000 if number % 2 == 0 else 4000
    depth = square_depth(stored.astype(np.float32) / np.float32(scale), side)
    close(depth, torch.from_numpy(given[f"depth{number}.out"]), 1e-7)
    height, width = stored.shape
    for k in ("K", "K2"):
        found = square_camera(
            given[f"depth{number}.{k}_in"], width=width, height=height, side=side, published_portrait=True
        )
        np.testing.assert_allclose(found, given[f"depth{number}.{k}_out"], rtol=0, atol=1e-9)


def test_prompts_and_ids_agree(folder: Path) -> None:
    *asked, answered = json.loads((folder / "prompts.json").read_text())
    for one in asked:
        prompt = conversation([(one["query_after_box_substitution"], None)], template=one["template"])
        assert prompt == one["prompt"]
        assert token_ids(prompt, lambda text: [100 + ord(c) % 50 for c in text], bos=1) == one["input_ids"]
    assert conversation([("A?", "B.")], template=answered["template"]) == answered["prompt"]


@pytest.fixture(scope="module")
def checkpoint(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The front end of ``folder`` in the public layout, with a language model of random weights behind it."""
    out = tmp_path_factory.mktemp("llava3d")
    sizes = json.loads((folder / "config.json").read_text())
    front = numbers(folder / "frontend_weights.safetensors")
    vocabulary, width = front["model.embed_tokens.weight"].shape
    llama = {"vocab_size": vocabulary, "hidden_size": width, "intermediate_size": 64, "num_hidden_layers": 1,
             "num_attention_heads": 4, "rms_norm_eps": 1e-5, "max_position_embeddings": 64}  # fmt: skip
    write_config(out, clip=sizes["clip"], llama=llama, num_frames=sizes["V"])
    behind = {n: v for n, v in random_state(out).items() if n.startswith(("model.layers.", "model.norm", "lm_head"))}
    save_file(front | behind, out / "model.safetensors", metadata={"format": "pt"})
    return out


def network(folder: Path, precision: str) -> Llava3d:
    model = Llava3d(read_config(folder))

    def no_clip() -> Path:
        raise AssertionError("the checkpoint has CLIP")

    load_weights(model, folder, precision=precision, device=torch.device("cpu"), clip_folder=no_clip)
    return model


def views(given: dict[str, Tensor]) -> Views:
    images, depths, poses, cameras = (given[f"in.{n}"][0] for n in ("images", "depths", "poses", "intrinsics"))
    repeats = torch.ones(len(images), dtype=torch.long)
    return Views(images=images, depths=depths, world_from_camera=poses, intrinsics=cameras, repeats=repeats)


@torch.no_grad()
def test_the_front_end_agrees(folder: Path, checkpoint: Path) -> None:
    given = numbers(folder / "frontend_fp32.safetensors")
    model, seen = network(checkpoint, "float32"), views(given)
    features = model.patch_features(seen.images)
    close(features, given["mid.clip_features"])
    points = patch_points(seen.depths, seen.world_from_camera, seen.intrinsics, model.config.grid)
    close(points, given["mid.xyz_grid"][0])
    places = model.patch_position(points)
    close(places, given["mid.pos_embed"][0])
    pooled = voxel_means((features + places.flatten(1, 2)).flatten(0, 1), voxel_ids(points.flatten(0, 2)))
    close(pooled, given["mid.pooled"])
    visual = model.visual_tokens(seen)
    assert len(visual) == int(given["mid.batch_offset"][-1])
    close(visual, given["mid.projected"])
    clicks = model.click_tokens(given["in.clicks"])
    close(clicks, given["mid.click_features"])
    close(model.splice(given["in.input_ids"][0].tolist(), visual, clicks)[0], given["out.inputs_embeds"][0])
    picture = model.projector(model.patch_features(given["in.image2d"]))[0]
    close(model.splice(given["in.input_ids_2d"][0].tolist(), picture, clicks[:0])[0], given["out.inputs_embeds_2d"][0])
    rows = []
    for row, tokens, points in ((0, visual, clicks[:1]), (1, picture, clicks[:0])):
        here = given["in.attention_mask_batch"][row]
        ids, labels = (given[f"in.{name}_batch"][row][here].tolist() for name in ("input_ids", "labels"))
        rows.append(model.splice(ids, tokens, points, labels))
    embedded, mask = padded([embeddings for embeddings, _ in rows])
    close(embedded, given["out.batch.inputs_embeds"])
    assert torch.equal(mask, given["out.batch.attention_mask"])
    assert torch.equal(padded([labels for _, labels in rows], value=IGNORE)[0], given["out.batch.labels"])


@torch.no_grad()
def test_the_front_end_agrees_roughly_in_16_bits(folder: Path, checkpoint: Path) -> None:
    """From points that are given, since ours stay float32: the published code's own, or those of the reference."""
    half = folder / "frontend_bf16.safetensors"
    given = numbers(half if half.exists() else folder / "frontend_fp32.safetensors")
    model = network(checkpoint, "bfloat16")
    features = model.patch_features(given["in.images"][0])
    assert features.dtype == torch.bfloat16
    roughly(features, given["mid.clip_features"])
    points = given["mid.xyz_grid"][0].float()
    places = model.patch_position(points)
    roughly(places, given["mid.pos_embed"][0])
    pooled = voxel_means((features + places.flatten(1, 2)).flatten(0, 1), voxel_ids(points.flatten(0, 2)))
    roughly(pooled, given["mid.pooled"])
    visual = model.projector(pooled.bfloat16())
    roughly(visual, given["mid.projected"])
    clicks = model.click_tokens(given["in.clicks"])
    roughly(clicks, given["mid.click_features"])
    roughly(model.splice(given["in.input_ids"][0].tolist(), visual, clicks)[0], given["out.inputs_embeds"][0])


@pytest.mark.parametrize("numbers_of", [source("llava3d", published=True)])
def test_the_reference_agrees_with_the_published_code(numbers_of: Path) -> None:
    """Without a module of the package: the fixtures are worth as much as what made them."""
    sizes = json.loads((numbers_of / "config.json").read_text())
    weights = {
        name.replace("vision_tower.vision_tower.", "vision_tower.vision_tower.vision_model."): value.double().numpy()
        for name, value in load_file(numbers_of / "frontend_weights.safetensors").items()
    }
    given = {name: value.numpy() for name, value in load_file(numbers_of / "frontend_fp32.safetensors").items()}
    found = reference.front_end(given, weights, heads=sizes["clip"]["num_attention_heads"])
    for name, value in found.items():
        np.testing.assert_allclose(value, given[name], rtol=0, atol=1e-5, err_msg=name)


def test_the_fixtures_can_be_made_again(tmp_path: Path) -> None:
    make_llava3d(tmp_path)
    there = sorted((FIXTURES / "llava3d").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in there]
    for path in there:
        if path.suffix == ".safetensors":
            torch.testing.assert_close(numbers(tmp_path / path.name), numbers(path), rtol=1e-5, atol=1e-5)
        elif path.suffix == ".json":
            assert (tmp_path / path.name).read_text() == path.read_text()
