"""VGGT, module by module, against numbers of small random networks.

The fixtures are those of a reference in numpy (``support/parity``), which itself agrees with what the published code
gave; where that was recorded, the same tests read it, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.parity import vggt as reference
from support.parity import vggt_images as image_reference
from support.parity.layers import antialiased_bicubic, bilinear
from support.parity.sources import FIXTURES, PUBLISHED, both, numbers, source
from support.parity.vggt_fixtures import make_vggt, vggt_case
from torch import Tensor

from distill3d_ros.student.config import Dinov2Config, EncoderConfig
from distill3d_ros.student.encoder.vggt import Block, Encoder, apply_rope
from distill3d_ros.student.encoder.vggt_images import load_images, load_squares
from distill3d_ros.student.heads.dpt import DptHead, position_grid
from distill3d_ros.student.heads.pose import PoseHead
from distill3d_ros.student.heads.pose_encoding import (
    decode_poses,
    encode_poses,
    inverse_poses,
    points_from_depth,
    quaternion_from_rotation,
    rotation_from_quaternion,
)
from distill3d_ros.student.vggt_weights import load_vggt

TOLERANCE = 5e-5
CASES = [
    pytest.param(folder, case, id=case, marks=marks)
    for folder, marks in [(p.values[0], p.marks) for p in both("vggt")]
    for case in (
        ("case_s1_70x70", "case_s3_42x70", "case_s2_84x56", "case_b2s2_56x56")
        if PUBLISHED in folder.parents
        else ("case_b2s1_28x28", "case_b1s2_28x42", "case_b1s3_14x28")
    )
]
Networks = tuple[Encoder, DptHead, DptHead, PoseHead]
_networks: dict[Path, Networks] = {}


def close(found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def networks(folder: Path) -> Networks:
    """Encoder, depth head, point head and pose head with the folder's weights."""
    if folder not in _networks:
        _networks[folder] = _read_networks(folder)
    return _networks[folder]


def _read_networks(folder: Path) -> Networks:
    shape = json.loads((folder / "config.json").read_text())
    encoder = Encoder(
        EncoderConfig(
            patch_embed="dinov2",
            dim=shape["embed_dim"],
            heads=shape["num_heads"],
            pairs=shape["depth"],
            intermediate_layers=tuple(range(shape["depth"])),
            dinov2=Dinov2Config(layers=shape["dino_depth"], heads=shape["dino_heads"], image_size=shape["img_size"]),
        )
    ).eval()
    width = 2 * shape["embed_dim"]
    features, channels = shape["dpt_features"], tuple(shape["dpt_out_channels"])
    depth = DptHead(width, features=features, channels=channels).eval()
    points = DptHead(width, features=features, channels=channels, outputs=4).eval()
    pose = PoseHead(width, layers=shape["camera_trunk_depth"], heads=shape["camera_heads"]).eval()
    state = numbers(folder / "weights.safetensors")
    done = load_vggt(state, encoder=encoder, depth=depth, pose=pose)
    assert set(done.loaded) | set(done.not_used) == set(state)
    assert all(name.startswith("point_head.") for name in done.not_used)
    points.load_state_dict({k.removeprefix("point_head."): v for k, v in state.items() if k.startswith("point_head.")})
    return encoder, depth, points, pose


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_every_level_agrees(folder: Path, case: str) -> None:
    encoder, expected = networks(folder)[0], numbers(folder / f"{case}.safetensors")
    images = expected["in.images"]
    with torch.no_grad():
        tokens = encoder.patch_embed(images.flatten(0, 1)).tokens
        close(tokens, expected["dino.x_norm_patchtokens"])
        found = encoder(images)
    b = len(images)
    for n, level in enumerate(found.levels):
        in_frame, everywhere = level.chunk(2, -1)
        close(in_frame.flatten(0, 1), expected[f"aggregator.frame_out.{n}"])
        close(everywhere.reshape(b, -1, everywhere.shape[-1]), expected[f"aggregator.global_out.{n}"])
    assert found.special_tokens == 5
    close(found.patches, found.levels[-1][:, :, 5:])
    close(found.camera, found.levels[-1][:, :, 0])


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_depth_points_and_poses_agree(folder: Path, case: str) -> None:
    encoder, depth_head, point_head, pose_head = networks(folder)
    expected = numbers(folder / f"{case}.safetensors")
    intermediate_layers = json.loads((folder / "config.json").read_text())["dpt_layer_idx"]
    images = expected["in.images"]
    height, width = images.shape[-2:]
    with torch.no_grad():
        seen = encoder(images)
        levels = [seen.levels[n][:, :, seen.special_tokens :].flatten(0, 1) for n in intermediate_layers]
        raw = depth_head(levels, seen.grid, seen.patch_size)
        raw_points = point_head(levels, seen.grid, seen.patch_size).unflatten(0, images.shape[:2])
        encodings = pose_head(seen.camera)
    close(raw, expected["depth_head.logits"])
    depth = raw[:, 0].exp().unflatten(0, images.shape[:2])
    close(depth, expected["out.depth"][..., 0])
    close(1 + raw[:, 1].exp().unflatten(0, images.shape[:2]), expected["out.depth_conf"])
    xyz = raw_points[:, :, :3].movedim(2, -1)
    close(xyz.sign() * xyz.abs().expm1(), expected["out.world_points"])
    close(1 + raw_points[:, :, 3].exp(), expected["out.world_points_conf"])
    for n, encoding in enumerate(encodings):
        close(encoding, expected[f"out.pose_enc.{n}"])
    extrinsics, intrinsics = decode_poses(encodings[-1], (height, width))
    close(extrinsics, expected["out.extrinsics"])
    close(intrinsics, expected["out.intrinsics"], 1e-3)
    close(points_from_depth(depth, extrinsics, intrinsics), expected["out.points_from_depth"])


@pytest.mark.parametrize("folder", both("vggt"))
def test_small_parts_agree(folder: Path) -> None:
    """On inputs so small that a wrong epsilon shows."""
    probe, shape = numbers(folder / "probes.safetensors"), json.loads((folder / "config.json").read_text())
    whole = numbers(folder / "weights.safetensors")
    places = {"aa_block": "aggregator.frame_blocks.0.", "dpt": "depth_head.", "camera": "camera_head."}

    def weights(name: str) -> dict[str, Tensor]:
        """A part's own, or those of the whole network with what the part has in their place."""
        own = {k.removeprefix(f"{name}.w."): v for k, v in probe.items() if k.startswith(f"{name}.w.")}
        place = places[name.removesuffix("_negfov")]
        shared = {k.removeprefix(place): v for k, v in whole.items() if k.startswith(place)}
        return own if len(own) > 1 else shared | own

    def turned(positions: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
        frequency = 100.0 ** (-torch.arange(head_dim // 4) / (head_dim // 4))
        angles = (positions.float()[0][:, :, None] * frequency).repeat(1, 1, 2).flatten(1)
        return angles.cos(), angles.sin()

    with torch.no_grad():
        own = weights("aa_block")
        dim, head_dim = len(own["norm1.weight"]), len(own["attn.q_norm.weight"])
        block = Block(dim, dim // head_dim)
        block.load_state_dict(own)
        close(block(probe["aa_block.in"], turned(probe["aa_block.pos"], head_dim)), probe["aa_block.out"])
        close(apply_rope(probe["rope.in"], *turned(probe["rope.pos"], 8)), probe["rope.out"])
        for name in ("camera", "camera_negfov"):
            own = weights(name)
            layers = 1 + max(int(k.split(".")[1]) for k in own if k.startswith("trunk."))
            head = PoseHead(len(own["token_norm.weight"]), layers=layers, heads=shape["camera_heads"])
            head.load_state_dict(own)
            for n, encoding in enumerate(head(probe[f"{name}.in"][:, :, 0])):
                close(encoding, probe[f"{name}.pose_enc.{n}"])
        own = weights("dpt")
        channels = tuple(len(own[f"projects.{n}.weight"]) for n in range(4))
        dense = DptHead(len(own["norm.weight"]), features=len(own["scratch.layer1_rn.weight"]), channels=channels)
        dense.load_state_dict(own)
        conf = probe["dpt.conf"]
        grid = (conf.shape[-2] // 14, conf.shape[-1] // 14)
        skip = probe["dpt.in.0"].shape[2] - grid[0] * grid[1]
        raw = dense([probe[f"dpt.in.{n}"][:, :, skip:].flatten(0, 1) for n in range(4)], grid, 14)
        close(raw[:, 0].exp(), probe["dpt.depth"][0, ..., 0])
        close(1 + raw[:, 1].exp(), conf[0])
    for size in ("20x12x24", "5x3x16", "7x7x8"):
        columns, rows, channels_of_grid = map(int, size.split("x"))
        found = position_grid(rows, columns, channels_of_grid, aspect=1.3, device=torch.device("cpu"))
        close(found.permute(1, 2, 0), probe[f"uv_embed.{size}"])


@pytest.mark.parametrize("folder", both("vggt"))
def test_poses_agree(folder: Path) -> None:
    probe = numbers(folder / "probes.safetensors")
    size = tuple(int(x) for x in probe["pose.hw"])
    extrinsics, intrinsics = decode_poses(probe["pose.enc_in"], size)  # type: ignore[arg-type]
    close(extrinsics, probe["pose.extrinsics"])
    close(intrinsics, probe["pose.intrinsics"], 1e-3)
    close(encode_poses(extrinsics, intrinsics, size), probe["pose.enc_roundtrip"])  # type: ignore[arg-type]
    close(rotation_from_quaternion(probe["pose.quat_in"]), probe["pose.quat_to_mat"])
    close(quaternion_from_rotation(probe["pose.quat_to_mat"]), probe["pose.mat_to_quat"])
    close(quaternion_from_rotation(probe["pose.branch_mats"]), probe["pose.branch_quats"])
    square = torch.eye(4).expand(*extrinsics.shape[:2], 4, 4).clone()
    square[..., :3, :] = extrinsics
    close(inverse_poses(extrinsics).flatten(0, 1), probe["pose.inverse_se3"])
    close(inverse_poses(square) @ square, torch.eye(4).expand_as(square))


@pytest.mark.parametrize(("folder", "case"), [c for c in CASES if PUBLISHED in c.values[0].parents])
def test_the_reference_agrees_with_the_published_code(folder: Path, case: str) -> None:
    """Without a module of the package: the fixtures are worth as much as what made them."""
    weights = {name: value.double().numpy() for name, value in numbers(folder / "weights.safetensors").items()}
    expected = numbers(folder / f"{case}.safetensors")
    found = vggt_case(expected["in.images"].double().numpy(), weights, json.loads((folder / "config.json").read_text()))
    for name, value in found.items():
        tolerance = 1e-4 if name == "out.intrinsics" else 1e-5
        np.testing.assert_allclose(value, expected[name].numpy().reshape(value.shape), rtol=0, atol=tolerance)


def test_the_fixtures_can_be_made_again(tmp_path: Path) -> None:
    make_vggt(tmp_path)
    stored = sorted(path.name for path in (FIXTURES / "vggt").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == stored
    for name in (name for name in stored if name.endswith(".safetensors")):
        made, there = numbers(tmp_path / name), numbers(FIXTURES / "vggt" / name)
        torch.testing.assert_close(made, there, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("rotated", lambda x, places: x),
        ("antialiased_bicubic", bilinear),
        ("position_grid", lambda rows, columns, channels, aspect: np.zeros((channels, rows, columns))),
        ("bilinear", lambda x, size: antialiased_bicubic(x, size)),
    ],
)
def test_a_mistake_in_a_part_would_show(monkeypatch: pytest.MonkeyPatch, part: str, wrong: Callable) -> None:
    """It moves depth by far more than what is tolerated."""
    monkeypatch.setattr(reference, part, wrong)
    folder = FIXTURES / "vggt"
    weights = {name: value.double().numpy() for name, value in numbers(folder / "weights.safetensors").items()}
    expected = numbers(folder / "case_b1s2_28x42.safetensors")
    found = vggt_case(expected["in.images"].double().numpy(), weights, json.loads((folder / "config.json").read_text()))
    assert np.abs(found["depth_head.logits"] - expected["depth_head.logits"].numpy()).max() > 100 * TOLERANCE


@pytest.mark.parametrize("folder", [source("vggt_preprocess", published=True)])
@pytest.mark.filterwarnings("ignore:images of several shapes")
def test_images_are_loaded_as_published(folder: Path) -> None:
    for name, case in json.loads((folder / "index.json").read_text()).items():
        sources = [folder / source for source in case["sources"]]
        if case["mode"].startswith("square"):
            found, places = load_squares(sources, side=int(case["mode"].removeprefix("square")))
            close(places, torch.tensor(case["coords"]))
        else:
            found = load_images(sources, mode=case["mode"])
        assert list(found.shape) == case["shape"], name
        for image, expected in zip(found, case["expected"], strict=True):
            pixels = torch.from_numpy(np.array(Image.open(folder / expected)))
            close(image, pixels.permute(2, 0, 1) / 255.0)


@pytest.mark.filterwarnings("ignore:images of several shapes")
def test_images_are_loaded_as_described(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    pictures = []
    for channels, size in ((3, (90, 61)), (1, (40, 97)), (4, (33, 30))):  # colour, grey, transparent
        coarse = Image.fromarray(rng.integers(0, 256, (6, 7, channels), dtype=np.uint8).squeeze())
        pictures.append(coarse.resize(size, Image.Resampling.BILINEAR))
    files = [tmp_path / f"{i}.png" for i in range(len(pictures))]
    for picture, file in zip(pictures, files, strict=True):
        picture.save(file)
    for mode in ("crop", "pad"):
        expected = torch.from_numpy(image_reference.loaded(pictures, mode)).permute(0, 3, 1, 2).float()
        close(load_images(files, mode=mode), expected, 1e-6)
    expected, places = image_reference.squares(pictures, 70)
    found = load_squares(files, side=70)
    close(found[0], torch.from_numpy(expected).permute(0, 3, 1, 2).float(), 1e-6)
    close(found[1], torch.from_numpy(places).float(), 1e-4)
