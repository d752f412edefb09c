"""LLaVA-3D's front end in numpy, float64, from its description: the reference of the fixtures in ``fixtures/llava3d``.

Names of weights are those of the public checkpoint. Letters: S views; H, W pixels; h, w patches; C CLIP's width; N
points; M voxels; D the language model's width; L tokens of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from support.parity.layers import (
    Array,
    Weights,
    attention,
    conv,
    gelu,
    layer_norm,
    linear,
    mlp,
    quick_gelu,
    split_heads,
    under,
)

VIEWS, CLICK, IGNORE = -200, -300, -100
CLIP = "model.vision_tower.vision_tower.vision_model."
PATCH_POSITION = "model.video_tower.video_tower.positional_embedding."
CLICK_POSITION = "model.video_tower.prompt_encoder.pos_emb3d."


def patch_features(images: Array, w: Weights, heads: int) -> Array:
    """CLIP's vision transformer without its last layer: (S, 3, H, W) to (S, h w, C)."""
    w = under(w, CLIP)
    patches = conv(images, w, "embeddings.patch_embedding", stride=w["embeddings.patch_embedding.weight"].shape[-1])
    patches = np.swapaxes(patches.reshape(*patches.shape[:2], -1), 1, 2)
    first = np.broadcast_to(w["embeddings.class_embedding"], (len(images), 1, patches.shape[-1]))
    x = np.concatenate([first, patches], 1) + w["embeddings.position_embedding.weight"]
    x = layer_norm(x, w, "pre_layrnorm", 1e-5)
    layers = 1 + max(int(name.split(".")[2]) for name in w if name.startswith("encoder.layers."))
    for i in range(layers - 1):
        own = under(w, f"encoder.layers.{i}.")
        normed = layer_norm(x, own, "layer_norm1", 1e-5)
        q, k, v = (split_heads(linear(normed, own, f"self_attn.{name}_proj"), heads) for name in "qkv")
        x = x + linear(attention(q, k, v), own, "self_attn.out_proj")
        x = x + mlp(layer_norm(x, own, "layer_norm2", 1e-5), own, "mlp.", quick_gelu)
    return x[:, 1:]


def position_embedding(points: Array, w: Weights) -> Array:
    """(..., 3) metres to (..., D)."""
    w = under(w, "position_embedding_head.")
    return linear(np.maximum(layer_norm(linear(points, w, "0"), w, "1", 1e-5), 0), w, "3")


def world_points(depth: Array, pose: Array, camera: Array) -> Array:
    """All pixels of one view (H, W) in the world, (H, W, 3). pose, camera: (4, 4)."""
    height, width = depth.shape
    v, u = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    fx, fy, cx, cy = camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2]
    optical = np.stack([(u - cx) * depth / fx, (v - cy) * depth / fy, depth, np.ones_like(depth)], -1)
    world = optical @ pose.T
    return world[..., :3] / world[..., 3:]


def patch_points(depths: Array, poses: Array, cameras: Array, grid: tuple[int, int]) -> Array:
    """Of S views (S, H, W) the points of the patches' first pixels, (S, h, w, 3)."""
    height, width = depths.shape[1:]
    rows, columns = (np.arange(n) * size // n for n, size in zip(grid, (height, width), strict=True))
    views = zip(depths, poses, cameras, strict=True)
    return np.stack([world_points(*view)[rows][:, columns] for view in views])


def voxels(points: Array, size: float = 0.2) -> NDArray[np.int64]:
    """(N,) number of each point's voxel, in the order of their x, then y, then z."""
    cells = [tuple(cell) for cell in np.rint(points / size).astype(int).tolist()]
    number = {cell: i for i, cell in enumerate(sorted(set(cells)))}
    return np.array([number[cell] for cell in cells])


def pooled(features: Array, numbers: NDArray[np.int64]) -> Array:
    return np.stack([features[numbers == i].mean(0) for i in range(numbers.max() + 1)])


def projected(features: Array, w: Weights) -> Array:
    w = under(w, "model.mm_projector.")
    return linear(gelu(linear(features, w, "0")), w, "2")


def spliced(
    ids: Sequence[int], visual: Array, clicks: Array, table: Array, labels: Sequence[int] | None = None
) -> tuple[Array, list[int]]:
    """Embeddings (L, D) and labels of a row whose places for the views and for clicks are filled."""
    left = list(clicks)
    rows: list[Array] = []
    labelled: list[int] = []
    for token, label in zip(ids, labels or [IGNORE] * len(ids), strict=True):
        put = list(visual) if token == VIEWS else [left.pop(0) if token == CLICK else table[token]]
        rows += put
        labelled += [label] if token >= 0 else [IGNORE] * len(put)
    return np.stack(rows), labelled


def front_end(given: Mapping[str, np.ndarray], w: Weights, *, heads: int) -> dict[str, Array]:
    """From pictures, depth, poses and ids (``in.*``) to what the language model reads, and what is computed on the way.

    One place of several views and one picture; then the same with one click as the rows of a batch.
    """
    x = {name: value.astype(float) for name, value in given.items() if value.dtype.kind == "f"}
    table = w["model.embed_tokens.weight"]
    features = patch_features(x["in.images"][0], w, heads)
    side = round(features.shape[1] ** 0.5)
    points = patch_points(*(x[f"in.{name}"][0] for name in ("depths", "poses", "intrinsics")), (side, side))
    places = position_embedding(points, under(w, PATCH_POSITION))
    numbers = voxels(points.reshape(-1, 3))
    means = pooled((features + places.reshape(features.shape)).reshape(len(numbers), -1), numbers)
    visual = projected(means, w)
    clicked = position_embedding(x["in.clicks"], under(w, CLICK_POSITION))
    seen = projected(patch_features(x["in.image2d"], w, heads), w)[0]
    filled = []
    for row, tokens, clicks in ((0, visual, clicked[:1]), (1, seen, clicked[:0])):
        there = given["in.attention_mask_batch"][row]
        ids, labels = (given[f"in.{name}_batch"][row][there].tolist() for name in ("input_ids", "labels"))
        filled.append(spliced(ids, tokens, clicks, table, labels))
    return {
        "mid.clip_features": features, "mid.xyz_grid": points[None], "mid.pos_embed": places[None],
        "mid.pooled": means, "mid.projected": visual, "mid.batch_offset": np.array([len(visual)]),
        "mid.click_features": clicked,
        "out.inputs_embeds": spliced(given["in.input_ids"][0].tolist(), visual, clicked, table)[0][None],
        "out.inputs_embeds_2d": spliced(given["in.input_ids_2d"][0].tolist(), seen, clicked[:0], table)[0][None],
        "out.batch.inputs_embeds": padded([embedded for embedded, _ in filled], 0.0),
        "out.batch.attention_mask": padded([np.ones(len(embedded), bool) for embedded, _ in filled], False),
        "out.batch.labels": padded([np.array(labels) for _, labels in filled], IGNORE),
    }  # fmt: skip


def padded(rows: Sequence[np.ndarray], fill: float) -> np.ndarray:
    """(rows, longest, ...), filled behind what is there."""
    longest = max(map(len, rows))
    return np.stack([np.concatenate([r, np.full((longest - len(r), *r.shape[1:]), fill, r.dtype)]) for r in rows])


def square_depth(depth: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """(H, W) to (side, side) by Pillow: the shorter side becomes ``side``, then the middle is cut out."""
    image = Image.fromarray(depth)
    image = image.resize(shorter_to(side, *image.size), Image.Resampling.NEAREST)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return np.asarray(image.crop((left, top, left + side, top + side)))


def square_camera(camera: Array, *, width: int, height: int, side: int) -> Array:
    """Pinhole matrix (..., 4, 4) for that square, upright images as the published code has them: cx moves, not cy."""
    new_width, new_height = shorter_to(side, width, height)
    scaled = camera * np.array([new_width / width, new_height / height, 1, 1])[:, None]
    scaled[..., 0, 2] -= (new_width - new_height) / 2
    return scaled


def shorter_to(side: int, width: int, height: int) -> tuple[int, int]:
    return (side, int(height * side / width)) if width <= height else (int(width * side / height), side)


def prompt(question: str, person: str) -> str:
    return (
        f"A chat between a curious {person} and an artificial intelligence assistant. The assistant gives helpful, "
        f"detailed, and polite answers to the {person}'s questions. USER: <image>\n{question} ASSISTANT:"
    )
