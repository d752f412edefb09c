"""Numbers of a small LLaVA-3D front end with random weights, by the reference in ``llava3d.py``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from support.parity import llava3d
from support.parity.files import random_weights, save_arrays, write_json
from support.parity.layers import Array

LLAVA3D = {"llm": 32, "V": 3, "crop": 14, "clip": {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
           "num_attention_heads": 2, "image_size": 28, "patch_size": 7}}  # fmt: skip
VOCABULARY = 20


def make_llava3d(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(201)
    w = random_weights(llava3d_shapes(LLAVA3D), rng)
    save_arrays(w, folder / "frontend_weights.safetensors")
    given = front_end_inputs(LLAVA3D, rng)
    found = llava3d.front_end(given, w, heads=LLAVA3D["clip"]["num_attention_heads"])
    clear_voxels(found["mid.xyz_grid"].reshape(-1, 3))
    save_arrays(given | found, folder / "frontend_fp32.safetensors")
    save_arrays(llava3d_geometry(rng), folder / "geometry.safetensors")
    save_arrays(llava3d_positions(rng), folder / "posemb.safetensors")
    np.savez_compressed(folder / "processor.npz", **llava3d_views(LLAVA3D, rng))
    write_json(folder / "prompts.json", llava3d_prompts())
    write_json(folder / "config.json", LLAVA3D)


def llava3d_shapes(c: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the front end in the public checkpoint."""
    clip, words = c["clip"], c["llm"]
    width, inner, patch = clip["hidden_size"], clip["intermediate_size"], clip["patch_size"]
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, words)}

    def layer(name: str, out: int, *inner: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (out, *inner), (out,)

    name = f"{llava3d.CLIP}embeddings"
    found |= {f"{name}.class_embedding": (width,), f"{name}.patch_embedding.weight": (width, 3, patch, patch)}
    found[f"{name}.position_embedding.weight"] = (1 + (clip["image_size"] // patch) ** 2, width)
    layer(f"{llava3d.CLIP}pre_layrnorm", width)
    layer(f"{llava3d.CLIP}post_layernorm", width)
    for i in range(clip["num_hidden_layers"]):
        own = f"{llava3d.CLIP}encoder.layers.{i}"
        for n in ("layer_norm1", "layer_norm2"):
            layer(f"{own}.{n}", width)
        for n in ("q_proj", "k_proj", "v_proj", "out_proj"):
            layer(f"{own}.self_attn.{n}", width, width)
        layer(f"{own}.mlp.fc1", inner, width)
        layer(f"{own}.mlp.fc2", width, inner)
    for prefix, size in ((llava3d.PATCH_POSITION, width), (llava3d.CLICK_POSITION, words)):
        layer(f"{prefix}position_embedding_head.0", size, 3)
        layer(f"{prefix}position_embedding_head.1", size)
        layer(f"{prefix}position_embedding_head.3", size, size)
    layer("model.mm_projector.0", words, width)
    layer("model.mm_projector.2", words, words)
    return found


def posed_views(count: int, size: tuple[int, int], rng: np.random.Generator) -> tuple[NDArray[np.int16], Array, Array]:
    """Depth (S, H, W) in millimetres with a hole, poses (S, 4, 4), and pinhole matrices (S, 4, 4)."""
    height, width = size
    depths = rng.integers(800, 2500, (count, height, width)).astype(np.int16)
    depths[:, : height // 3, : width // 4] = 0
    poses = np.zeros((count, 4, 4))
    poses[:, :3, :3] = Rotation.from_quat(rng.normal(size=(count, 4))).as_matrix()
    poses[:, :3, 3], poses[:, 3, 3] = rng.uniform(-1, 1, (count, 3)), 1
    cameras = np.tile(np.eye(4), (count, 1, 1))
    cameras[:, 0, 0], cameras[:, 1, 1] = rng.uniform(0.8, 1.2, (2, count)) * width
    cameras[:, 0, 2], cameras[:, 1, 2] = rng.uniform(0.4, 0.6, (2, count)) * [[width], [height]]
    return depths, *(x.astype(np.float32).astype(np.float64) for x in (poses, cameras))


def clear_voxels(points: Array) -> NDArray[np.int64]:
    """The voxels of points none of which is so near to a border that float32 could put it on the other side."""
    assert (np.abs(points / 0.2 % 1 - 0.5) > 1e-5).all(), "another seed: a point lies on the border of a voxel"
    return llava3d.voxels(points)


def front_end_inputs(c: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Pictures, depth, poses, clicked points and rows of ids: one of a place, one of a picture, and both as a batch."""
    side, views = c["clip"]["image_size"], c["V"]
    images, picture = (rng.normal(size=(n, 3, side, side)).astype(np.float16).astype(float) for n in (views, 1))
    stored, poses, cameras = posed_views(views, (side, side), rng)
    rows = ([1, 5, 6, -200, 13, -300, 2], [1, 5, -200, 8, 9, 10, 11, 12, 2])
    labels = ([llava3d.IGNORE] * 4 + [13, llava3d.IGNORE, 2], [llava3d.IGNORE] * 4 + rows[1][4:])
    longest = max(map(len, rows))
    return {
        "in.images": images[None], "in.depths": (stored / np.float32(1000)).astype(np.float32).astype(float)[None],
        "in.poses": poses[None], "in.intrinsics": cameras[None], "in.image2d": picture,
        "in.clicks": rng.uniform(-2, 2, (2, 3)).astype(np.float32).astype(float),
        "in.input_ids": np.array([[1, 5, 6, 7, -200, 13, 9, -300, 10, -300, 2]]),
        "in.input_ids_2d": np.array([[1, 5, -200, 8]]),
        "in.input_ids_batch": llava3d.padded([np.array(row) for row in rows], 0),
        "in.labels_batch": llava3d.padded([np.array(row) for row in labels], 0),
        "in.attention_mask_batch": np.array([[i < len(row) for i in range(longest)] for row in rows]),
    }  # fmt: skip


def llava3d_geometry(rng: np.random.Generator) -> dict[str, Any]:
    """Points and voxels of views, and voxels whose order, rounding and mean are seen."""
    out: dict[str, Any] = {}
    for tag, scenes, size, grid in (("small", 2, (16, 16), (4, 4)), ("ratio", 1, (20, 25), (5, 7))):
        views = [posed_views(2, size, rng) for _ in range(scenes)]
        depths, poses, cameras = (np.stack(part) for part in zip(*views, strict=True))
        metres = (depths / np.float32(1000)).astype(np.float64)
        whole = np.stack([llava3d.patch_points(*v, size) for v in zip(metres, poses, cameras, strict=True)])
        points = np.stack([llava3d.patch_points(*v, grid) for v in zip(metres, poses, cameras, strict=True)])
        numbers = np.stack([clear_voxels(p.reshape(-1, 3)) for p in points])
        out |= {f"{tag}.depths_mm": depths, f"{tag}.poses": poses, f"{tag}.intrinsics": cameras,
                f"{tag}.grid_hw": list(grid), f"{tag}.xyz_full": whole, f"{tag}.xyz_grid": points,
                f"{tag}.p2v": numbers, f"{tag}.batch_offset": np.cumsum(numbers.max(1) + 1)}  # fmt: skip
    x = np.array([[0.1, 0, 0], [0.3, 0, 0], [-0.1, 0.2, 0], [0, 0, 0.5], [0.41, 0, 0.2], [0, -0.3, 0.1], [0.3, 0, 0.02],
                  [0.1, 0, 0.01]], np.float32)  # fmt: skip
    features = rng.normal(size=(len(x), 5))
    out |= {"vox.in": x.reshape(1, 1, 2, 4, 3), "vox.feat": features, "vox.p2v": llava3d.voxels(x)[None],
            "vox.p2v_default028": llava3d.voxels(x, 0.28)[None],
            "vox.mean": llava3d.pooled(features, llava3d.voxels(x))}  # fmt: skip
    return out


def llava3d_positions(rng: np.random.Generator) -> dict[str, Array]:
    shapes = {f"position_embedding_head.{name}": shape for name, shape in {
        "0.weight": (16, 3), "0.bias": (16,), "1.weight": (16,), "1.bias": (16,), "3.weight": (16, 16), "3.bias": (16,),
    }.items()}  # fmt: skip
    w = random_weights(shapes, rng)
    out = {f"w.{name}": value for name, value in w.items()}
    places = {"n2": rng.normal(size=(5, 3)), "n3": rng.normal(size=(2, 7, 3)), "n5": rng.normal(size=(1, 2, 3, 4, 3)),
              "tiny": 1e-3 * rng.normal(size=(2, 6, 3)), "zeros": np.zeros((1, 4, 3))}  # fmt: skip
    for case, x in places.items():
        out |= {f"in.{case}": x, f"out.{case}": llava3d.position_embedding(x, w)}
    flat = w | {"position_embedding_head.0.bias": np.zeros(16)}  # so that nothing but the tiny part is there
    out |= {f"eps.w.{name}": value for name, value in flat.items()}
    return out | {"eps.in": places["tiny"], "eps.out": llava3d.position_embedding(places["tiny"], flat)}


def llava3d_views(c: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Depth images and pinhole matrices before and after; those of odd number are in quarters of a millimetre."""
    out: dict[str, Any] = {}
    for i, (width, height) in enumerate(((27, 20), (20, 27), (16, 14), (19, 14), (30, 23))):
        stored = rng.integers(0, 8000, (height, width)).astype(np.uint16)
        square = llava3d.square_depth(stored, c["crop"])
        out[f"depth{i}.in"] = stored
        out[f"depth{i}.out"] = square.astype(np.float32) / np.float32(1000 if i % 2 == 0 else 4000)
        _, _, cameras = posed_views(2, (height, width), rng)
        for name, camera in (("K", cameras[0]), ("K2", cameras)):
            out[f"depth{i}.{name}_in"] = camera
            found = llava3d.square_camera(camera, width=width, height=height, side=c["crop"])
            out[f"depth{i}.{name}_out"] = found
    return out


def llava3d_prompts() -> list[dict[str, Any]]:
    """Whole prompts and their ids by the tokenizer that the tests have: 100 + code % 50 for each letter."""
    found = []
    for question, template in (("What is that?", "llava_v1"), ("What is at <boxes>?", "llava_v1"),
                               ("Compare <boxes> and <boxes>.", "v1")):  # fmt: skip
        prompt = llava3d.prompt(question, {"llava_v1": "human", "v1": "user"}[template])
        marked = prompt.replace("<image>", "\0").replace("<boxes>", "\1")
        ids = [1] + [{"\0": llava3d.VIEWS, "\1": llava3d.CLICK}.get(x, 100 + ord(x) % 50) for x in marked]
        found.append({"template": template, "query_after_box_substitution": question, "prompt": prompt,
                      "input_ids": ids})  # fmt: skip
    return [*found, {"template": "v1", "prompt": llava3d.prompt("A?", "user") + " B.</s>"}]
