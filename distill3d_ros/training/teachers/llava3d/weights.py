"""Loading of LLaVA-3D's public checkpoint into the network, key by key.

What is missing or unknown is an error that lists it, before anything is loaded. Shards are read one after the other,
and each tensor goes to its device at once: the whole is never in memory twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from distill3d_ros.student.vggt_weights import Conversion
from distill3d_ros.system.files import file_sha256
from distill3d_ros.training.teachers.llava3d.config import Llava3dError, read_json
from distill3d_ros.training.teachers.llava3d.model import Llava3d
from distill3d_ros.training.teachers.llava3d.quantization import PRECISIONS, is_quantised, quantised

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLES = ("model.safetensors", "pytorch_model.bin")

_VISION = "model.vision_tower.vision_tower."
_PREFIXES = {
    _VISION: "vision.",
    "model.video_tower.video_tower.positional_embedding.": "patch_position.",
    "model.video_tower.prompt_encoder.pos_emb3d.": "click_position.",
    "model.mm_projector.": "projector.",
    "": "language.",
}
"""The checkpoint's names -> the network's, the first that fits."""
_CLIP_LEVEL = "vision_model."
"""A level of CLIP's names that newer files do without."""
_CLIP_OTHERS = ("text_model.", "text_projection.", "visual_projection.", "logit_scale")
_COMPUTED = re.compile(r"language\..*rotary_emb\.inv_freq|vision\.embeddings\.position_ids")
"""Tables that old files hold and the network makes itself."""
_VISION_LAYER = re.compile(r"vision\.encoder\.layers\.(\d+)\..*")
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Result of loading a checkpoint."""

    conversion: Conversion
    """By the checkpoint's names."""
    sha256: str
    """Of the checksums of all files with weights."""


@dataclass(frozen=True, slots=True)
class _Stored:
    file: Path
    key: str
    shape: tuple[int, ...]


def weight_files(folder: Path) -> list[Path]:
    """The files with weights, safetensors rather than pickles, shards in the order of their names.

    Raises:
        Llava3dError: there are none, or a shard that the index names is missing.
    """
    for name in INDEXES:
        if (folder / name).is_file():
            index = read_json(folder / name, f"the weights in {folder}").get("weight_map")
            if not isinstance(index, Mapping) or not index:
                raise Llava3dError(f"{folder / name} must have a weight_map; fetch it again")
            files = [folder / file for file in sorted(set(index.values()))]
            missing = [file.name for file in files if not file.is_file()]
            if missing:
                raise Llava3dError(f"{folder} lacks {', '.join(missing)}, which {name} names; fetch them")
            return files
    files = [folder / name for name in SINGLES if (folder / name).is_file()][:1]
    if not files:
        raise Llava3dError(f"{folder} has no weights: expected one of {', '.join([*INDEXES, *SINGLES])}")
    return files


def load_weights(
    model: Llava3d, folder: Path, *, precision: str, device: torch.device, clip_folder: Callable[[], Path]
) -> Loaded:
    """Fills the network, whose language model may be on the meta device, and puts it on ``device``.

    Args:
        precision: a key of ``PRECISIONS``; the language layers are already quantised where it says so.
        clip_folder: gives CLIP's own folder, and is asked only if the checkpoint has none of CLIP.

    Raises:
        Llava3dError: a tensor is missing, unknown or of another shape, or a file is damaged or truncated.
    """
    files = weight_files(folder)
    stored = {key: _Stored(file, key, shape) for file in files for key, shape in _shapes(file).items()}
    if not any(name.startswith(_VISION) for name in stored):
        own = weight_files(clip_folder())
        stored |= {
            _VISION + key: _Stored(file, key, shape)
            for file in own
            for key, shape in _shapes(file).items()
            if not key.startswith(_CLIP_OTHERS)
        }
        files += own
    targets = {name: own_name(name) for name in stored}
    not_used = {name for name, own in targets.items() if _is_passed_over(own, model)}
    targets = {name: own for name, own in targets.items() if name not in not_used}
    _check(model, stored, targets, origin=str(folder))
    for file in files:
        names = {s.key: targets[name] for name, s in stored.items() if s.file == file and name in targets}
        for key, tensor in _tensors(file, list(names)):
            _put(model, names[key], tensor, precision=precision, device=device)
    _make_tables(model, device)
    model.requires_grad_(False).eval()
    digest = hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()
    return Loaded(conversion=Conversion(loaded=tuple(sorted(targets)), not_used=tuple(sorted(not_used))), sha256=digest)


def own_name(name: str) -> str:
    """The network's name of what the checkpoint calls ``name``."""
    prefix = next(p for p in _PREFIXES if name.startswith(p))
    rest = name.removeprefix(prefix)
    return _PREFIXES[prefix] + (rest.removeprefix(_CLIP_LEVEL) if prefix == _VISION else rest)


def _public_name(own: str) -> str:
    prefix, short = next((p, s) for p, s in _PREFIXES.items() if own.startswith(s))
    return prefix + own.removeprefix(short)


def _is_passed_over(own: str, model: Llava3d) -> bool:
    """Whether a tensor is not needed: computed by the network, or of CLIP's layers behind the features in use."""
    layer = _VISION_LAYER.fullmatch(own)
    return bool(_COMPUTED.fullmatch(own)) or (
        layer is not None and int(layer[1]) >= model.config.clip.num_hidden_layers
    )


def _check(model: Llava3d, stored: Mapping[str, _Stored], targets: Mapping[str, str], *, origin: str) -> None:
    expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    there = set(targets.values())
    problems = [f"missing {_public_name(own)} {shape}" for own, shape in expected.items() if own not in there]
    for name, own in targets.items():
        if own not in expected:
            problems.append(f"unexpected {name}")
        elif stored[name].shape != expected[own]:
            problems.append(f"{name} is {stored[name].shape}, expected {expected[own]}")
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise Llava3dError(
            f"{origin} does not hold the LLaVA-3D that is expected: {'; '.join(problems[:_SHOWN])}{more}"
        )


def _put(model: Llava3d, own: str, tensor: Tensor, *, precision: str, device: torch.device) -> None:
    parent, _, attribute = own.rpartition(".")
    module = model.get_submodule(parent)
    if attribute == "weight" and is_quantised(module):
        module.weight = quantised(tensor, precision, device)
        return
    places = own.startswith(("patch_position.", "click_position."))
    dtype = torch.float32 if places else PRECISIONS[precision]
    setattr(module, attribute, nn.Parameter(tensor.to(device, dtype, copy=True), requires_grad=False))


def _make_tables(model: Llava3d, device: torch.device) -> None:
    """Fills the buffers that no file holds and a network made on the meta device lacks."""
    model.language.model.rotary_emb = LlamaRotaryEmbedding(config=model.config.llama).to(device)
    embeddings = model.vision.embeddings
    positions = torch.arange(embeddings.num_positions, device=device)[None]
    embeddings.register_buffer("position_ids", positions, persistent=False)


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    if file.suffix == ".safetensors":
        with _reading(file), safe_open(file, framework="pt") as opened:
            return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
    return {key: tuple(tensor.shape) for key, tensor in _pickled(file).items()}


def _tensors(file: Path, keys: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    if file.suffix == ".safetensors":
        with _reading(file), safe_open(file, framework="pt") as opened:
            for key in keys:
                yield key, opened.get_tensor(key)
    else:
        held = _pickled(file)
        for key in keys:
            yield key, held[key]


def _pickled(file: Path) -> dict[str, Tensor]:
    """A file of torch with nothing but tensors, which are read from disk when they are needed."""
    with _reading(file):
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise Llava3dError(f"{file} must hold a plain state dict of tensors. Got {type(state).__name__}")
    return dict(state)


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, EOFError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise Llava3dError(f"{file} is damaged or truncated ({error}); fetch it again") from error
