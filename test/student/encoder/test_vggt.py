"""VGGT, module by module, against numbers of the published code on small random networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from distill3d_ros.student.config import Dinov2Config, EncoderConfig
from distill3d_ros.student.encoder.vggt import Encoder
from distill3d_ros.student.encoder.vggt_images import load_images, load_squares
from distill3d_ros.student.heads import dpt as dpt_head
from distill3d_ros.student.heads.dpt import DptHead
from distill3d_ros.student.heads.pose import PoseHead
from distill3d_ros.student.heads.pose_encoding import (
    decode_poses,
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
