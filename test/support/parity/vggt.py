"""VGGT's arithmetic in numpy, float64, from its description: the reference of the fixtures in ``fixtures/vggt``.

Names of weights are those of the published checkpoints. Letters: B scenes; S frames; H, W pixels; h, w patches;
P = 5 + h w tokens of a frame; C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation
from support.parity.layers import (
    Array,
    Weights,
    antialiased_bicubic,
    attention,
    bilinear,
    conv,
    gelu,
    layer_norm,
    linear,
    mlp,
    split_heads,
    standardized,
    transposed_conv,
    under,
)

PATCH = 14
MEAN, SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CAMERA_AND_REGISTERS = 5


def block(x: Array, w: Weights, heads: int, *, eps: float, places: Array | None = None) -> Array:
    """A pre-norm block. x: (..., n, C). places: (n, 2) row and column of each token, for blocks with rotations."""
    qkv = linear(layer_norm(x, w, "norm1", eps), w, "attn.qkv")
    q, k, v = (split_heads(part, heads) for part in np.split(qkv, 3, -1))
    if places is not None:
        q, k = (rotated(layer_norm(part, w, f"attn.{name}_norm", 1e-5), places) for name, part in (("q", q), ("k", k)))
    x = x + w["ls1.gamma"] * linear(attention(q, k, v), w, "attn.proj")
    return x + w["ls2.gamma"] * mlp(layer_norm(x, w, "norm2", eps), w, "mlp.")


def rotated(x: Array, places: Array) -> Array:
    """Rotary embedding in two dimensions. x: (..., n, d); the first half of the channels turns by the row.

    Channel k of a half and channel k + d/4 are the parts of a complex number.
    """
    halves = []
    for half, at in zip(np.split(x, 2, -1), np.moveaxis(places, -1, 0), strict=True):
        real, imaginary = np.split(half, 2, -1)
        pairs = real.shape[-1]
        turn = np.exp(1j * at[:, None] * 100.0 ** (-np.arange(pairs) / pairs))
        turned = (real + 1j * imaginary) * turn
        halves += [turned.real, turned.imag]
    return np.concatenate(halves, -1)


def patch_tokens(images: Array, w: Weights, heads: int) -> Array:
    """DINOv2 with registers: (N, 3, H, W) normalised images to (N, h w, C)."""
    found = conv(images, w, "patch_embed.proj", stride=PATCH)
    (n, channels), grid = found.shape[:2], found.shape[2:]
    table = w["pos_embed"][0]
    side = round((len(table) - 1) ** 0.5)
    square = table[1:].T.reshape(channels, side, side)
    if grid != (side, side):
        square = antialiased_bicubic(square, grid)
    patches = np.swapaxes(found.reshape(n, channels, -1), 1, 2) + square.reshape(channels, -1).T
    first = np.broadcast_to(w["cls_token"][0] + table[:1], (n, 1, channels))
    registers = np.broadcast_to(w["register_tokens"], (n, *w["register_tokens"].shape[1:]))
    x = np.concatenate([first, registers, patches], 1)
    for i in range(_count(w, "blocks.")):
        x = block(x, under(w, f"blocks.{i}."), heads, eps=1e-6)
    return layer_norm(x, w, "norm", 1e-6)[:, 1 + registers.shape[1] :]


def aggregate(images: Array, w: Weights, heads: int, *, dino_heads: int) -> tuple[Array, list[tuple[Array, Array]]]:
    """Images (B, S, 3, H, W) in 0..1 to patch tokens (B S, h w, C), and after each pair of blocks the residual stream

    within frames (B S, P, C) and over all frames (B, S P, C)."""
    b, s = images.shape[:2]
    normed = (images - MEAN[:, None, None]) / SPREAD[:, None, None]
    patches = patch_tokens(normed.reshape(b * s, *images.shape[2:]), under(w, "patch_embed."), dino_heads)
    rows, columns = (size // PATCH for size in images.shape[-2:])
    slots = np.array([0] + [1] * (s - 1))
    special = np.concatenate([w["camera_token"][0, slots], w["register_token"][0, slots]], 1)  # (S, 5, C)
    special = np.broadcast_to(special, (b, *special.shape)).reshape(b * s, *special.shape[1:])
    x = np.concatenate([special, patches], 1)
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2) + 1
    places = np.concatenate([np.zeros((CAMERA_AND_REGISTERS, 2)), grid])
    levels = []
    for i in range(_count(w, "frame_blocks.")):
        x = in_frames = block(x, under(w, f"frame_blocks.{i}."), heads, eps=1e-5, places=places)
        everywhere = block(
            x.reshape(b, -1, x.shape[-1]), under(w, f"global_blocks.{i}."), heads, eps=1e-5,
            places=np.tile(places, (s, 1)),
        )  # fmt: skip
        x = everywhere.reshape(x.shape)
        levels.append((in_frames, everywhere))
    return patches, levels


def position_grid(rows: int, columns: int, channels: int, aspect: float) -> Array:
    """(channels, rows, columns): sines and cosines of where a pixel lies on an image whose diagonal is 2 long."""
    diagonal = np.hypot(aspect, 1)
    u = np.linspace(-1, 1, columns) * aspect / diagonal * (columns - 1) / columns
    v = np.linspace(-1, 1, rows) / diagonal * (rows - 1) / rows
    omega = 100.0 ** (-np.arange(channels // 4) / (channels // 4))

    def waves(at: Array) -> Array:
        angle = at * omega[:, None, None]
        return np.concatenate([np.sin(angle), np.cos(angle)])

    u, v = np.meshgrid(u, v)
    return np.concatenate([waves(u), waves(v)])


def dense(tokens: Sequence[Array], w: Weights, grid: tuple[int, int]) -> Array:
    """The DPT head: four levels of patch tokens (N, h w, 2C) to raw values (N, outputs, H, W)."""
    height, width = (PATCH * n for n in grid)

    def with_position(x: Array) -> Array:
        return x + 0.1 * position_grid(*x.shape[2:], x.shape[1], width / height)

    resize = (
        lambda x: transposed_conv(x, w, "resize_layers.0"),
        lambda x: transposed_conv(x, w, "resize_layers.1"),
        lambda x: x,
        lambda x: conv(x, w, "resize_layers.3", stride=2, padding=1),
    )
    maps = []
    for j, level in enumerate(tokens):
        x = np.swapaxes(layer_norm(level, w, "norm", 1e-5), 1, 2).reshape(len(level), -1, *grid)
        x = resize[j](with_position(conv(x, w, f"projects.{j}")))
        maps.append(conv(x, w, f"scratch.layer{j + 1}_rn", padding=1))

    def residual(x: Array, name: str) -> Array:
        x = np.maximum(x, 0)  # the published code rectifies in place, so the sum has the rectified values
        return x + conv(np.maximum(conv(x, w, f"{name}.conv1", padding=1), 0), w, f"{name}.conv2", padding=1)

    fused = None
    for k in (4, 3, 2, 1):
        name = f"scratch.refinenet{k}"
        x = maps[k - 1]
        if fused is not None:
            x = fused + residual(x, f"{name}.resConfUnit1")
        x = residual(x, f"{name}.resConfUnit2")
        size = maps[k - 2].shape[2:] if k > 1 else tuple(2 * n for n in x.shape[2:])
        fused = conv(bilinear(x, size), w, f"{name}.out_conv")
    x = conv(fused, w, "scratch.output_conv1", padding=1)
    x = with_position(bilinear(x, (height, width)))
    return conv(np.maximum(conv(x, w, "scratch.output_conv2.0", padding=1), 0), w, "scratch.output_conv2.2")


def pose_encodings(camera: Array, w: Weights, heads: int, *, iterations: int = 4) -> list[Array]:
    """The camera head: camera tokens (B, S, 2C) to what each iteration comes to (B, S, 9)."""
    tokens = layer_norm(camera, w, "token_norm", 1e-5)
    raw, found = None, []
    for _ in range(iterations):
        before = np.broadcast_to(w["empty_pose_tokens"], (*tokens.shape[:2], 9)) if raw is None else raw
        embedded = linear(before, w, "embed_pose")
        shift, scale, gate = np.split(linear(embedded / (1 + np.exp(-embedded)), w, "poseLN_modulation.1"), 3, -1)
        x = gate * (standardized(tokens, 1e-6) * (1 + scale) + shift) + tokens
        for i in range(_count(w, "trunk.")):
            x = block(x, under(w, f"trunk.{i}."), heads, eps=1e-5)
        change = linear(gelu(linear(layer_norm(x, w, "trunk_norm", 1e-5), w, "pose_branch.fc1")), w, "pose_branch.fc2")
        raw = change if raw is None else raw + change
        found.append(np.concatenate([raw[..., :7], np.maximum(raw[..., 7:], 0)], -1))
    return found


def cameras(encoding: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    """(..., 9) to extrinsics (..., 3, 4), camera from world, and intrinsics (..., 3, 3) of H x W pixels."""
    rotation = Rotation.from_quat(encoding[..., 3:7].reshape(-1, 4)).as_matrix().reshape(*encoding.shape[:-1], 3, 3)
    extrinsics = np.concatenate([rotation, encoding[..., :3, None]], -1)
    half = np.array(size) / 2
    focal = half / np.tan(encoding[..., 7:] / 2)  # of rows, of columns
    intrinsics = np.zeros((*encoding.shape[:-1], 3, 3))
    intrinsics[..., 0, 0], intrinsics[..., 1, 1] = focal[..., 1], focal[..., 0]
    intrinsics[..., :, 2] = half[1], half[0], 1
    return extrinsics, intrinsics


def world_points(depth: Array, extrinsics: Array, intrinsics: Array) -> Array:
    """Depth (..., H, W) to (..., H, W, 3); a pixel's centre has whole coordinates."""
    height, width = depth.shape[-2:]
    v, u = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    pixels = np.stack([u, v, np.ones_like(u)], -1).astype(float)
    optical = np.einsum("...ij,hwj->...hwi", np.linalg.inv(intrinsics), pixels) * depth[..., None]
    return np.einsum("...ji,...hwj->...hwi", extrinsics[..., :3], optical - extrinsics[..., None, None, :, 3])


def _count(w: Weights, prefix: str) -> int:
    return 1 + max(int(name.removeprefix(prefix).split(".")[0]) for name in w if name.startswith(prefix))
