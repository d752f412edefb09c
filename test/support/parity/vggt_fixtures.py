"""Numbers of a small VGGT with random weights, by the reference in ``vggt.py``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation
from support.parity import vggt
from support.parity.files import random_weights, save_arrays, write_json
from support.parity.layers import Array, under

VGGT = {"img_size": 28, "embed_dim": 16, "depth": 4, "num_heads": 2, "dino_depth": 2, "dino_heads": 2,
        "camera_trunk_depth": 1, "camera_heads": 4, "dpt_features": 8, "dpt_out_channels": [4, 8, 12, 16],
        "dpt_layer_idx": [0, 1, 2, 3]}  # fmt: skip
CASES = {"case_b2s1_28x28": (2, 1, 28, 28), "case_b1s2_28x42": (1, 2, 28, 42), "case_b1s3_14x28": (1, 3, 14, 28)}


def make_vggt(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(101)
    w = random_weights(vggt_shapes(VGGT), rng)
    w["depth_head.scratch.output_conv2.2.weight"] *= 4  # depths from decimetres to metres
    w["camera_head.pose_branch.fc2.weight"][7:] *= 0.25  # fields of view between 0 and pi
    w["camera_head.pose_branch.fc2.bias"][7:] = 0.25, 0.3125
    save_arrays(w, folder / "weights.safetensors")
    for name, (b, s, height, width) in CASES.items():
        images = rng.uniform(size=(b, s, 3, height, width)).astype(np.float16).astype(np.float64)
        save_arrays(vggt_case(images, w, VGGT), folder / f"{name}.safetensors")
    save_arrays(vggt_probes(w, VGGT, rng), folder / "probes.safetensors")
    write_json(folder / "config.json", VGGT)


def vggt_shapes(c: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a small VGGT as published, but for the tracks."""
    found: dict[str, tuple[int, ...]] = {}
    dim, features, channels = c["embed_dim"], c["dpt_features"], c["dpt_out_channels"]
    wide = 2 * dim

    def layer(name: str, out: int, *inner: int, bias: bool = True) -> None:
        found[f"{name}.weight"] = (out, *inner)
        if bias:
            found[f"{name}.bias"] = (out,)

    def block(name: str, width: int, head: int = 0) -> None:
        layer(f"{name}.norm1", width)
        layer(f"{name}.norm2", width)
        layer(f"{name}.attn.qkv", 3 * width, width)
        layer(f"{name}.attn.proj", width, width)
        layer(f"{name}.mlp.fc1", 4 * width, width)
        layer(f"{name}.mlp.fc2", width, 4 * width)
        found[f"{name}.ls1.gamma"] = found[f"{name}.ls2.gamma"] = (width,)
        if head:
            layer(f"{name}.attn.q_norm", head)
            layer(f"{name}.attn.k_norm", head)

    found |= {"aggregator.camera_token": (1, 2, 1, dim), "aggregator.register_token": (1, 2, 4, dim)}
    dino, side = "aggregator.patch_embed", c["img_size"] // vggt.PATCH
    found |= {f"{dino}.cls_token": (1, 1, dim), f"{dino}.mask_token": (1, dim)}
    found |= {f"{dino}.pos_embed": (1, 1 + side * side, dim), f"{dino}.register_tokens": (1, 4, dim)}
    layer(f"{dino}.patch_embed.proj", dim, 3, vggt.PATCH, vggt.PATCH)
    layer(f"{dino}.norm", dim)
    for i in range(c["dino_depth"]):
        block(f"{dino}.blocks.{i}", dim)
    for i in range(c["depth"]):
        block(f"aggregator.frame_blocks.{i}", dim, dim // c["num_heads"])
        block(f"aggregator.global_blocks.{i}", dim, dim // c["num_heads"])
    camera = "camera_head"
    found[f"{camera}.empty_pose_tokens"] = (1, 1, 9)
    for name in ("token_norm", "trunk_norm"):
        layer(f"{camera}.{name}", wide)
    layer(f"{camera}.embed_pose", wide, 9)
    layer(f"{camera}.poseLN_modulation.1", 3 * wide, wide)
    layer(f"{camera}.pose_branch.fc1", wide // 2, wide)
    layer(f"{camera}.pose_branch.fc2", 9, wide // 2)
    for i in range(c["camera_trunk_depth"]):
        block(f"{camera}.trunk.{i}", wide)
    for head, outputs in (("depth_head", 2), ("point_head", 4)):
        layer(f"{head}.norm", wide)
        for j, n in enumerate(channels):
            layer(f"{head}.projects.{j}", n, wide, 1, 1)
            layer(f"{head}.scratch.layer{j + 1}_rn", features, n, 3, 3, bias=False)
        for j, size in ((0, 4), (1, 2), (3, 3)):
            layer(f"{head}.resize_layers.{j}", channels[j], channels[j], size, size)
        for k in (1, 2, 3, 4):
            name = f"{head}.scratch.refinenet{k}"
            layer(f"{name}.out_conv", features, features, 1, 1)
            for unit in ("resConfUnit1", "resConfUnit2")[k == 4 :]:
                layer(f"{name}.{unit}.conv1", features, features, 3, 3)
                layer(f"{name}.{unit}.conv2", features, features, 3, 3)
        layer(f"{head}.scratch.output_conv1", features // 2, features, 3, 3)
        layer(f"{head}.scratch.output_conv2.0", 32, features // 2, 3, 3)
        layer(f"{head}.scratch.output_conv2.2", outputs, 32, 1, 1)
    return found


def vggt_case(images: Array, w: Mapping[str, Array], c: Mapping[str, Any]) -> dict[str, Array]:
    """All that the network gives for images (B, S, 3, H, W)."""
    b, s, _, height, width = images.shape
    grid = (height // vggt.PATCH, width // vggt.PATCH)
    patches, levels = vggt.aggregate(images, under(w, "aggregator."), c["num_heads"], dino_heads=c["dino_heads"])
    out = {"in.images": images, "dino.x_norm_patchtokens": patches}
    whole = []
    for i, (in_frames, everywhere) in enumerate(levels):
        out |= {f"aggregator.frame_out.{i}": in_frames, f"aggregator.global_out.{i}": everywhere}
        whole.append(np.concatenate([in_frames, everywhere.reshape(in_frames.shape)], -1))
    read = [whole[i][:, vggt.CAMERA_AND_REGISTERS :] for i in c["dpt_layer_idx"]]
    raw = vggt.dense(read, under(w, "depth_head."), grid)
    out["depth_head.logits"] = raw
    depth = np.exp(raw[:, 0]).reshape(b, s, height, width)
    out |= {"out.depth": depth[..., None], "out.depth_conf": 1 + np.exp(raw[:, 1]).reshape(depth.shape)}
    raw = np.moveaxis(vggt.dense(read, under(w, "point_head."), grid), 1, -1).reshape(b, s, height, width, 4)
    out["out.world_points"] = np.sign(raw[..., :3]) * np.expm1(np.abs(raw[..., :3]))
    out["out.world_points_conf"] = 1 + np.exp(raw[..., 3])
    encodings = vggt.pose_encodings(whole[-1][:, 0].reshape(b, s, -1), under(w, "camera_head."), c["camera_heads"])
    out |= {f"out.pose_enc.{n}": encoding for n, encoding in enumerate(encodings)}
    out["out.extrinsics"], out["out.intrinsics"] = vggt.cameras(encodings[-1], (height, width))
    out["out.points_from_depth"] = vggt.world_points(depth, out["out.extrinsics"], out["out.intrinsics"])
    return out


def vggt_probes(w: Mapping[str, Array], c: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Array]:
    """Parts with the weights of the whole, on inputs so small that an epsilon matters; and rotations."""
    dim, tokens, tiny = c["embed_dim"], 9, 2e-3
    places = rng.integers(0, 6, (tokens, 2)).astype(float)
    x = tiny * rng.normal(size=(2, tokens, dim))
    out = {"aa_block.in": x, "aa_block.pos": places[None].repeat(2, 0)}
    own = under(w, "aggregator.frame_blocks.0.")
    out["aa_block.out"] = vggt.block(x, own, c["num_heads"], eps=1e-5, places=places)
    out |= {"rope.in": rng.normal(size=(2, 4, tokens, 8)), "rope.pos": out["aa_block.pos"]}
    out["rope.out"] = vggt.rotated(out["rope.in"], places)
    out["camera.in"] = tiny * rng.normal(size=(1, 3, 2, 2 * dim))
    found = vggt.pose_encodings(out["camera.in"][:, :, 0], under(w, "camera_head."), c["camera_heads"])
    out |= {f"camera.pose_enc.{n}": encoding for n, encoding in enumerate(found)}
    negative = {"pose_branch.fc2.bias": np.array([0.1] * 7 + [-0.6, -0.3])}
    out |= {"camera_negfov.in": rng.normal(size=(1, 2, 2, 2 * dim))}
    out |= {f"camera_negfov.w.{name}": value for name, value in negative.items()}
    tokens_in, own = out["camera_negfov.in"][:, :, 0], under(w, "camera_head.") | negative
    found = vggt.pose_encodings(tokens_in, own, c["camera_heads"])
    out |= {f"camera_negfov.pose_enc.{n}": encoding for n, encoding in enumerate(found)}
    levels = [tiny * rng.normal(size=(1, 2, 6, 2 * dim)) for _ in range(4)]
    out |= {f"dpt.in.{n}": level for n, level in enumerate(levels)}
    raw = vggt.dense([level[0] for level in levels], under(w, "depth_head."), (2, 3))
    out |= {"dpt.depth": np.exp(raw[None, :, 0, ..., None]), "dpt.conf": 1 + np.exp(raw[None, :, 1])}
    for columns, rows, channels in ((20, 12, 24), (5, 3, 16), (7, 7, 8)):
        grid = vggt.position_grid(rows, columns, channels, 1.3)
        out[f"uv_embed.{columns}x{rows}x{channels}"] = np.moveaxis(grid, 0, -1)
    return out | pose_probes(rng)


def pose_probes(rng: np.random.Generator) -> dict[str, Array]:
    """Rotations by scipy; those of ``branch`` have each of x, y, z and w as their largest part."""
    size = (28, 42)
    encoding = np.concatenate([rng.normal(size=(2, 3, 7)), rng.uniform(0.4, 1.5, (2, 3, 2))], -1)
    encoding[..., 3:7] *= np.sign(encoding[..., 6:7])
    out = {"pose.enc_in": encoding, "pose.hw": np.array(size, np.float64)}
    out["pose.extrinsics"], out["pose.intrinsics"] = vggt.cameras(encoding, size)
    unit = np.linalg.norm(encoding[..., 3:7], axis=-1, keepdims=True)
    out["pose.enc_roundtrip"] = np.concatenate([encoding[..., :3], encoding[..., 3:7] / unit, encoding[..., 7:]], -1)
    quaternions = rng.normal(size=(3, 4, 4))
    rotations = Rotation.from_quat(quaternions.reshape(-1, 4))
    out |= {"pose.quat_in": quaternions, "pose.quat_to_mat": rotations.as_matrix().reshape(3, 4, 3, 3)}
    out["pose.mat_to_quat"] = rotations.as_quat(canonical=True).reshape(3, 4, 4)
    axes = np.array([[3, 0.2, 0.1], [0.1, 3, 0.3], [0.2, -0.1, 3], [0.2, 0.1, 0.3], [-2, 0.5, 2]])
    branches = Rotation.from_rotvec(axes)
    out |= {"pose.branch_mats": branches.as_matrix(), "pose.branch_quats": branches.as_quat(canonical=True)}
    square = np.zeros((6, 4, 4))
    square[:, :3], square[:, 3, 3] = out["pose.extrinsics"].reshape(6, 3, 4), 1
    return out | {"pose.inverse_se3": np.linalg.inv(square)}
