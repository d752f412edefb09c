"""Conversion of VGGT's public weights, key by key, into the student's modules.

Missing or unknown tensors are an error that lists them: a half random network looks like one that works.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from distill3d_ros.student.encoder.vggt import Encoder
from distill3d_ros.student.heads.dpt import DptHead
from distill3d_ros.student.heads.pose import PoseHead

NOT_USED = ("point_head.", "track_head.")
"""Heads of VGGT that a student does not have."""
_DINO = "aggregator.patch_embed."
_DINO_NAMES = (
    (r"(cls_token|mask_token|register_tokens)", r"embeddings.\1"),
    (r"pos_embed", "embeddings.position_embeddings"),
    (r"patch_embed\.proj\.(.*)", r"embeddings.patch_embeddings.projection.\1"),
    (r"blocks\.(\d+)\.((?:norm|mlp\.fc)[12]\..*)", r"encoder.layer.\1.\2"),
    (r"blocks\.(\d+)\.attn\.proj\.(.*)", r"encoder.layer.\1.attention.o_proj.\2"),
    (r"blocks\.(\d+)\.ls([12])\.gamma", r"encoder.layer.\1.layer_scale\2.lambda1"),
    (r"norm\.(.*)", r"layernorm.\1"),
)
"""Names below VGGT's patch embedding -> transformers' names; the fused qkv apart."""
_DINO_QKV = re.compile(r"blocks\.(\d+)\.attn\.qkv\.(weight|bias)")


class VggtWeightsError(ValueError):
    """A file that does not hold the expected VGGT; the message lists the differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The tensors of a file that were loaded, and those that were not."""

    loaded: tuple[str, ...]
    not_used: tuple[str, ...]


def read_vggt(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of a ``.pt`` file that holds nothing but tensors.

    Raises:
        VggtWeightsError: the file is missing, damaged, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise VggtWeightsError(f"no VGGT weights at {path}: expected a .safetensors or .pt file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the damage provokes
        reason = "is damaged or truncated" if isinstance(error, (SafetensorError, EOFError, RuntimeError)) else "fails"
        raise VggtWeightsError(f"reading {path} {reason} ({error}); fetch it again") from error
    if isinstance(state, Mapping) and isinstance(state.get("model"), Mapping):
        state = state["model"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise VggtWeightsError(f"{path} must hold a plain state dict of tensors. Got {type(state).__name__}")
    return dict(state)


def load_vggt(
    state: Mapping[str, Tensor],
    *,
    encoder: Encoder,
    depth: DptHead | None = None,
    pose: PoseHead | None = None,
    origin: str = "the file",
) -> Conversion:
    """Copies VGGT's weights into an encoder with DINOv2 patch embedding and into its heads.

    A head that is None is not wanted, and its tensors are passed over.

    Raises:
        VggtWeightsError: a tensor is missing, unknown, or of another shape. Nothing is changed then.
    """
    wanted: dict[str, tuple[nn.Module, str]] = {}  # VGGT's name -> where it goes
    fused: dict[str, list[tuple[nn.Module, str]]] = {}
    modules: dict[str, nn.Module | None] = {"aggregator.": encoder, "depth_head.": depth, "camera_head.": pose}
    for prefix, module in modules.items():
        if module is not None:
            names = (n for n in module.state_dict() if module is not encoder or not n.startswith("patch_embed."))
            wanted |= {prefix + name: (module, name) for name in names}
    for name in (n for n in state if n.startswith(_DINO)):
        inner = name.removeprefix(_DINO)
        if qkv := _DINO_QKV.fullmatch(inner):
            parts = [f"patch_embed.model.encoder.layer.{qkv[1]}.attention.{p}_proj.{qkv[2]}" for p in "qkv"]
            fused[name] = [(encoder, part) for part in parts]
        else:
            wanted |= {name: (encoder, new)} if (new := _dino_name(inner)) else {}
    unwanted = tuple(prefix for prefix, module in modules.items() if module is None)
    problems = _problems(state, wanted, fused, encoder, (*NOT_USED, *unwanted))
    if problems:
        shown = "; ".join(problems[:12]) + (f"; and {len(problems) - 12} more" if len(problems) > 12 else "")
        raise VggtWeightsError(f"{origin} does not hold the VGGT that is expected: {shown}")
    with torch.no_grad():
        for name, (into, own) in wanted.items():
            into.get_parameter(own).copy_(state[name])
        for name, targets in fused.items():
            for (into, own), part in zip(targets, state[name].chunk(3), strict=True):
                into.get_parameter(own).copy_(part)
    used = {*wanted, *fused}
    return Conversion(loaded=tuple(sorted(used)), not_used=tuple(sorted(set(state) - used)))


def _dino_name(inner: str) -> str | None:
    for pattern, replacement in _DINO_NAMES:
        if match := re.fullmatch(pattern, inner):
            return "patch_embed.model." + match.expand(replacement)
    return None


def _problems(
    state: Mapping[str, Tensor],
    wanted: Mapping[str, tuple[nn.Module, str]],
    fused: Mapping[str, list[tuple[nn.Module, str]]],
    encoder: Encoder,
    passed_over: tuple[str, ...],
) -> list[str]:
    problems = []
    modules = {module for module, _ in wanted.values()} | {encoder}
    shapes = {module: {n: tuple(t.shape) for n, t in module.state_dict().items()} for module in modules}
    for name, (module, own) in wanted.items():
        expected = shapes[module].get(own)
        if name not in state:
            problems.append(f"missing {name} {expected}")
        elif expected is None:
            problems.append(f"{name} has no place in this encoder")
        elif tuple(state[name].shape) != expected:
            problems.append(f"{name} is {tuple(state[name].shape)}, expected {expected}")
    for name, targets in fused.items():
        parts = [shapes[module][own] for module, own in targets if own in shapes[module]]
        rows = sum(part[0] for part in parts)
        if len(parts) != len(targets):
            problems.append(f"{name} has no place in this encoder")
        elif tuple(state[name].shape) != (rows, *parts[0][1:]):
            problems.append(f"{name} is {tuple(state[name].shape)}, expected {(rows, *parts[0][1:])}")
    filled = {own for module, own in wanted.values() if module is encoder}
    filled |= {own for targets in fused.values() for _, own in targets}
    problems += [f"nothing for {own}" for own in shapes[encoder] if own not in filled]
    problems += [f"unexpected {name}" for name in _unknown(state, {*wanted, *fused}, passed_over)]
    return problems


def _unknown(state: Iterable[str], known: set[str], passed_over: tuple[str, ...]) -> list[str]:
    return [name for name in state if name not in known and not name.startswith(passed_over)]
