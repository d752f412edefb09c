"""A LLaVA-3D of a few thousand random weights, in the layout of the public checkpoint."""

from __future__ import annotations

import dataclasses
import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaTokenizer

from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.teachers.llava3d.config import read_config
from distill3d_ros.training.teachers.llava3d.model import Llava3d

CLIP = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
        "image_size": 28, "patch_size": 14}  # fmt: skip
LLAMA = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
         "rms_norm_eps": 1e-5, "max_position_embeddings": 4096, "rope_theta": 10000.0}  # fmt: skip
"""As narrow as bitsandbytes' kernels allow."""
PREFIXES = {
    "vision.": "model.vision_tower.vision_tower.vision_model.",
    "patch_position.": "model.video_tower.video_tower.positional_embedding.",
    "click_position.": "model.video_tower.prompt_encoder.pos_emb3d.",
    "projector.": "model.mm_projector.",
    "language.": "",
}
"""The network's names -> those of the public checkpoint."""


def tokenizer() -> LlamaTokenizer:
    """One token a letter, and bytes for what is no letter: as Llama's, without its merges."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    names += [c for c in string.printable if not c.isspace()]
    return LlamaTokenizer(vocab={name: i for i, name in enumerate(names)}, merges=[])


def write_config(folder: Path, *, clip: dict[str, Any], llama: dict[str, Any], **changes: Any) -> None:
    """``config.json``, and CLIP's own in ``clip``."""
    values = {
        "model_type": "llava_llama",
        "architectures": ["LlavaLlamaForCausalLM"],
        "mm_vision_tower": "clip",
        "mm_video_tower": "SpatialAwareModule",
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_hidden_size": clip["hidden_size"],
        "num_frames": 4,
        "num_sample_tokens": 1152,
        "tokenizer_model_max_length": 4096,
        "rope_scaling": None,
        **llama,
    }
    (folder / "clip").mkdir(parents=True, exist_ok=True)
    (folder / "clip" / "config.json").write_text(json.dumps({"vision_config": clip}))
    (folder / "config.json").write_text(json.dumps(values | changes))


def random_state(folder: Path, *, seed: int = 0) -> dict[str, Tensor]:
    """Weights by the public names for the network that ``config.json`` describes, large enough to matter.

    The layer of CLIP that is not looked at is there, too.
    """
    with torch.device("meta"):
        model = Llava3d(read_config(folder))
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, parameter in model.named_parameters():
        prefix = next(p for p in PREFIXES if name.startswith(p))
        value = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            value *= 1.5 / parameter[0].numel() ** 0.5
        else:
            value = value * 0.2 + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        state[PREFIXES[prefix] + name.removeprefix(prefix)] = value
    last = model.config.clip.num_hidden_layers - 1
    behind = {
        name.replace(f".layers.{last}.", f".layers.{last + 1}."): value.clone()
        for name, value in state.items()
        if f"vision_model.encoder.layers.{last}." in name
    }
    return behind | state


def write_checkpoint(folder: Path, *, seed: int = 0, pickled: bool = False, **changes: Any) -> dict[str, Tensor]:
    """A whole folder: config, tokenizer, and weights in two shards. Returns the weights."""
    words = tokenizer()
    write_config(folder, clip=CLIP, llama=LLAMA | {"vocab_size": len(words)}, **changes)
    words.save_pretrained(folder)
    state = random_state(folder, seed=seed)
    write_shards(folder, state, pickled=pickled)
    return state


def write_shards(folder: Path, state: dict[str, Tensor], *, pickled: bool = False) -> None:
    """Two shards and the index that names them."""
    stem, suffix = ("pytorch_model", "bin") if pickled else ("model", "safetensors")
    names = sorted(state)
    where = {}
    for i, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), start=1):
        file = f"{stem}-{i:05d}-of-00002.{suffix}"
        tensors = {name: state[name].contiguous() for name in part}
        if pickled:
            torch.save(tensors, folder / file)
        else:
            save_file(tensors, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def without_pose(sample: Sample) -> Sample:
    return dataclasses.replace(sample, frame=dataclasses.replace(sample.frame, world_from_camera=None))
