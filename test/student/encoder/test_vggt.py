"""VGGT, module by module, against numbers of the published code on small random networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from distill3d_ros.student.config import Dinov2Config, EncoderConfig
from distill3d_ros.student.encoder.vggt import Block, Encoder, apply_rope
from distill3d_ros.student.encoder.vggt_images import load_images, load_squares
from distill3d_ros.student.heads import dpt as dpt_head
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
from distill3d_ros.student.vggt_weights import VggtWeightsError, load_vggt, read_vggt

PARITY = Path(__file__).parents[4] / "shared" / "parity" / "vggt"
IMAGES = PARITY.with_name("vggt_preprocess")
needs_parity = pytest.mark.skipif(not PARITY.is_dir(), reason="the numbers of the published code are not here")
CASES = ("case_s1_70x70", "case_s3_42x70", "case_s2_84x56", "case_b2s2_56x56")
TOLERANCE = 5e-5


def close(found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


@pytest.fixture(scope="module")
def network() -> tuple[Encoder, DptHead, DptHead, PoseHead]:
    """Encoder, depth head, point head and pose head with the fixtures' weights."""
    shape = json.loads((PARITY / "config.json").read_text())
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
    state = load_file(PARITY / "weights.safetensors")
    done = load_vggt(state, encoder=encoder, depth=depth, pose=pose)
    assert set(done.loaded) | set(done.not_used) == set(state)
    assert all(name.startswith("point_head.") for name in done.not_used)
    points.load_state_dict({k.removeprefix("point_head."): v for k, v in state.items() if k.startswith("point_head.")})
    return encoder, depth, points, pose


@needs_parity
@pytest.mark.parametrize("case", CASES)
def test_every_level_agrees(case: str, network: tuple[Encoder, DptHead, DptHead, PoseHead]) -> None:
    encoder, expected = network[0], load_file(PARITY / f"{case}.safetensors")
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


@needs_parity
@pytest.mark.parametrize("case", CASES)
def test_depth_points_and_poses_agree(case: str, network: tuple[Encoder, DptHead, DptHead, PoseHead]) -> None:
    encoder, depth_head, point_head, pose_head = network
    expected = load_file(PARITY / f"{case}.safetensors")
    intermediate_layers = json.loads((PARITY / "config.json").read_text())["dpt_layer_idx"]
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


@needs_parity
def test_small_parts_agree() -> None:
    """On inputs so small that a wrong epsilon shows."""
    probe = load_file(PARITY / "probes.safetensors")

    def weights(name: str) -> dict[str, Tensor]:
        return {k.removeprefix(f"{name}.w."): v for k, v in probe.items() if k.startswith(f"{name}.w.")}

    def turned(positions: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
        frequency = 100.0 ** (-torch.arange(head_dim // 4) / (head_dim // 4))
        angles = (positions.float()[0][:, :, None] * frequency).repeat(1, 1, 2).flatten(1)
        return angles.cos(), angles.sin()

    with torch.no_grad():
        block = Block(32, 4)
        block.load_state_dict(weights("aa_block"))
        close(block(probe["aa_block.in"], turned(probe["aa_block.pos"], 8)), probe["aa_block.out"])
        close(apply_rope(probe["rope.in"], *turned(probe["rope.pos"], 8)), probe["rope.out"])
        for name in ("camera", "camera_negfov"):
            own = weights(name)
            layers = 1 + max(int(k.split(".")[1]) for k in own if k.startswith("trunk."))
            head = PoseHead(32, layers=layers, heads=4)
            head.load_state_dict(own)
            for n, encoding in enumerate(head(probe[f"{name}.in"][:, :, 0])):
                close(encoding, probe[f"{name}.pose_enc.{n}"])
        dense = DptHead(32, features=16, channels=(8, 12, 16, 20))
        dense.load_state_dict(weights("dpt"))
        conf = probe["dpt.conf"]
        grid = (conf.shape[-2] // 14, conf.shape[-1] // 14)
        skip = probe["dpt.in.0"].shape[2] - grid[0] * grid[1]
        raw = dense([probe[f"dpt.in.{n}"][:, :, skip:].flatten(0, 1) for n in range(4)], grid, 14)
        close(raw[:, 0].exp(), probe["dpt.depth"][0, ..., 0])
        close(1 + raw[:, 1].exp(), conf[0])
    for size in ("20x12x24", "5x3x16", "7x7x8"):
        columns, rows, channels = map(int, size.split("x"))
        found = position_grid(rows, columns, channels, aspect=1.3, device=torch.device("cpu"))
        close(found.permute(1, 2, 0), probe[f"uv_embed.{size}"])


@needs_parity
def test_poses_agree() -> None:
    probe = load_file(PARITY / "probes.safetensors")
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


def test_a_quaternion_comes_back_from_its_rotation() -> None:
    generator = torch.Generator().manual_seed(3)
    quaternion = torch.nn.functional.normalize(torch.randn(200, 4, generator=generator, dtype=torch.float64), dim=-1)
    quaternion = torch.where(quaternion[:, 3:] < 0, -quaternion, quaternion)
    back = quaternion_from_rotation(rotation_from_quaternion(3.0 * quaternion))
    torch.testing.assert_close(back, quaternion, atol=1e-12, rtol=0)


def test_a_field_of_view_of_zero_stays_finite() -> None:
    extrinsics, intrinsics = decode_poses(torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 0, 0]), (28, 42))
    assert torch.isfinite(extrinsics).all()
    assert torch.isfinite(intrinsics).all()


def tiny() -> tuple[Encoder, DptHead, PoseHead]:
    torch.manual_seed(1)
    dino = Dinov2Config(layers=1, heads=2, image_size=28)
    config = EncoderConfig(
        patch_embed="dinov2", dim=16, heads=2, pairs=4, intermediate_layers=(0, 1, 2, 3), dinov2=dino
    )
    return Encoder(config), DptHead(32, features=8, channels=(8, 8, 8, 8)), PoseHead(32, layers=1, heads=2)


def published(encoder: Encoder, depth: DptHead, pose: PoseHead) -> dict[str, Tensor]:
    """The networks' weights under the names of a published file."""
    state = {f"depth_head.{k}": v for k, v in depth.state_dict().items()}
    state |= {f"camera_head.{k}": v for k, v in pose.state_dict().items()}
    own = dict(encoder.state_dict())
    for name, value in own.items():
        if not name.startswith("patch_embed."):
            state[f"aggregator.{name}"] = value
    dino = encoder.patch_embed.model.state_dict()
    prefix = "aggregator.patch_embed."
    for name in ("cls_token", "mask_token", "register_tokens"):
        state[prefix + name] = dino[f"embeddings.{name}"]
    state[f"{prefix}pos_embed"] = dino["embeddings.position_embeddings"]
    for kind in ("weight", "bias"):
        state[f"{prefix}patch_embed.proj.{kind}"] = dino[f"embeddings.patch_embeddings.projection.{kind}"]
        state[f"{prefix}norm.{kind}"] = dino[f"layernorm.{kind}"]
        layer = "encoder.layer.0."
        qkv = [dino[f"{layer}attention.{p}_proj.{kind}"] for p in "qkv"]
        state[f"{prefix}blocks.0.attn.qkv.{kind}"] = torch.cat(qkv)
        state[f"{prefix}blocks.0.attn.proj.{kind}"] = dino[f"{layer}attention.o_proj.{kind}"]
        for part in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
            state[f"{prefix}blocks.0.{part}.{kind}"] = dino[f"{layer}{part}.{kind}"]
    for n in (1, 2):
        state[f"{prefix}blocks.0.ls{n}.gamma"] = dino[f"encoder.layer.0.layer_scale{n}.lambda1"]
    return {name: value.clone() for name, value in state.items()}


def test_published_weights_come_in_under_their_own_names() -> None:
    source, target = tiny(), tiny()
    with torch.no_grad():
        for module in source:
            for parameter in module.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    state = published(*source) | {"track_head.x": torch.zeros(1), "point_head.y": torch.zeros(1)}
    done = load_vggt(state, encoder=target[0], depth=target[1], pose=target[2])
    assert done.not_used == ("point_head.y", "track_head.x")
    for a, b in zip(source, target, strict=True):
        for name, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[name]), name
    done = load_vggt(state, encoder=target[0])
    assert "depth_head.norm.weight" in done.not_used


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("aggregator.frame_blocks.1.attn.qkv.bias"), r"missing aggregator\.frame_blocks\.1\.attn\.qkv"),
        (lambda s: s.pop("aggregator.patch_embed.pos_embed"), "nothing for patch_embed.model.embeddings.position"),
        (lambda s: s.update({"aggregator.extra": torch.zeros(1)}), "unexpected aggregator.extra"),
        (lambda s: s.update({"depth_head.norm.bias": torch.zeros(7)}), r"depth_head.norm.bias is \(7,\), expected"),
        (lambda s: s.update({"aggregator.patch_embed.blocks.9.norm1.bias": torch.zeros(16)}), "has no place"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(change, message: str) -> None:
    encoder, depth, pose = tiny()
    state = published(*tiny())
    change(state)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with pytest.raises(VggtWeightsError, match=message):
        load_vggt(state, encoder=encoder, depth=depth, pose=pose)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_files_that_hold_no_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(VggtWeightsError, match="no VGGT weights at"):
        read_vggt(tmp_path / "none.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04")
    for name in ("cut.safetensors", "cut.pt"):
        with pytest.raises(VggtWeightsError, match=f"{name}.*fetch it again"):
            read_vggt(tmp_path / name)
    torch.save({"model": {"a": torch.ones(2)}}, tmp_path / "good.pt")
    assert read_vggt(tmp_path / "good.pt")["a"].tolist() == [1, 1]
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(VggtWeightsError, match="plain state dict"):
        read_vggt(tmp_path / "list.pt")


def test_frames_are_taken_in_turns_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    head = tiny()[1].eval()
    levels = [torch.randn(3, 6, 32) for _ in range(4)]
    with torch.no_grad():
        at_once = head(levels, (2, 3), 14)
        monkeypatch.setattr(dpt_head, "FRAMES_AT_ONCE", 2)
        in_turns = head(levels, (2, 3), 14)
    assert at_once.shape == (3, 2, 28, 42)
    torch.testing.assert_close(in_turns, at_once, atol=1e-6, rtol=1e-5)


def test_taps_end_with_the_last_pair() -> None:
    with pytest.raises(ValueError, match="must end with the last pair, 3"):
        EncoderConfig(pairs=4, intermediate_layers=(0, 2))
    with pytest.raises(ValueError, match="ascending"):
        EncoderConfig(pairs=4, intermediate_layers=(3, 2))
    with pytest.raises(ValueError, match="multiple of the patch size 14"):
        Dinov2Config(image_size=500)


@pytest.mark.skipif(not IMAGES.is_dir(), reason="the pictures of the published loader are not here")
@pytest.mark.filterwarnings("ignore:images of several shapes")
def test_images_are_loaded_as_published() -> None:
    for name, case in json.loads((IMAGES / "index.json").read_text()).items():
        sources = [IMAGES / source for source in case["sources"]]
        if case["mode"].startswith("square"):
            found, places = load_squares(sources, side=int(case["mode"].removeprefix("square")))
            close(places, torch.tensor(case["coords"]))
        else:
            found = load_images(sources, mode=case["mode"])
        assert list(found.shape) == case["shape"], name
        for image, expected in zip(found, case["expected"], strict=True):
            pixels = torch.from_numpy(np.array(Image.open(IMAGES / expected)))
            close(image, pixels.permute(2, 0, 1) / 255.0)


def test_images_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mode must be one of crop, pad"):
        load_images([tmp_path / "a.png"], mode="fit")
    with pytest.raises(ValueError, match="at least one path"):
        load_images([])
    with pytest.raises(FileNotFoundError):
        load_images([tmp_path / "a.png"])
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png' is no image"):
        load_squares([tmp_path / "a.png"])


def test_nothing_has_changed_since_it_agreed() -> None:
    """Numbers of our own, written when the published ones agreed; they are here where those are not."""
    stored = load_file(Path(__file__).parents[2] / "fixtures" / "vggt_tiny.safetensors")
    encoder, depth, pose = (module.eval() for module in tiny())
    weights = {name.removeprefix("w."): value.float() for name, value in stored.items() if name.startswith("w.")}
    load_vggt(weights, encoder=encoder, depth=depth, pose=pose)
    with torch.no_grad():
        seen = encoder(stored["in.images"].float())
        levels = [level[:, :, seen.special_tokens :].flatten(0, 1) for level in seen.levels]
        close(seen.levels[-1], stored["out.level"])
        close(depth(levels, seen.grid, seen.patch_size), stored["out.raw"])
        close(pose(seen.camera)[-1], stored["out.pose"])
