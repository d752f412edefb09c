"""The fields of a LLaVA-3D checkpoint's ``config.json`` that its answers depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from transformers import CLIPVisionConfig, LlamaConfig

CONFIG = "config.json"
CLIP_L_336 = "openai/clip-vit-large-patch14-336"

_FIXED = {
    "model_type": "llava_llama",
    "mm_video_tower": "SpatialAwareModule",
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_feature": "patch",
}
"""What is built here and nothing else."""
_LLAMA = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "rms_norm_eps",
    "max_position_embeddings",
)  # fmt: skip
_LLAMA_OPTIONAL = ("num_key_value_heads", "bos_token_id", "eos_token_id", "hidden_act", "attention_bias", "mlp_bias")


class Llava3dError(ValueError):
    """A folder that does not hold the LLaVA-3D that is expected, and how it differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Llava3dConfig:
    """The parts' shapes, and how they are put together."""

    llama: LlamaConfig
    clip: CLIPVisionConfig
    """Of the layers that are used: what lies behind the features is left out."""
    tower: str
    """Where CLIP comes from if the checkpoint has none of it: a folder or a hub's name."""
    frames: int
    """Views that the network takes."""
    max_length: int
    """Visual tokens and text together."""

    @property
    def side(self) -> int:
        """Of the square pictures, pixels."""
        return cast(int, self.clip.image_size)

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) patches of a view."""
        patches = self.side // cast(int, self.clip.patch_size)
        return patches, patches


def read_config(folder: Path) -> Llava3dConfig:
    """Reads ``config.json`` of a checkpoint's folder.

    Raises:
        Llava3dError: it is missing, damaged, or describes another network.
    """
    values = read_json(folder / CONFIG, f"{folder} is not a LLaVA-3D checkpoint")
    for name, expected in _FIXED.items():
        if values.get(name, expected if name == "mm_vision_select_feature" else None) != expected:
            raise Llava3dError(f"{folder / CONFIG}: {name} must be {expected!r}. Got {values.get(name)!r}")
    needed = (*_LLAMA, "mm_vision_tower", "mm_vision_select_layer", "mm_hidden_size", "num_frames")
    missing = [name for name in needed if values.get(name) is None]
    if missing:
        raise Llava3dError(f"{folder / CONFIG} lacks {', '.join(missing)}; a LLaVA-3D checkpoint has them")
    if values.get("rope_scaling") is not None:
        raise Llava3dError(f"{folder / CONFIG}: rope_scaling must be null. Got {values['rope_scaling']!r}")
    tower = str(values["mm_vision_tower"])
    clip = _clip(folder, tower, int(values["mm_vision_select_layer"]))
    if clip.hidden_size != values["mm_hidden_size"]:
        raise Llava3dError(
            f"{folder / CONFIG}: mm_hidden_size must be {clip.hidden_size}, the width of {tower}. Got "
            f"{values['mm_hidden_size']}"
        )
    taken = {name: values[name] for name in (*_LLAMA, *_LLAMA_OPTIONAL) if values.get(name) is not None}
    rope = {"rope_type": "default", "rope_theta": float(values.get("rope_theta", 10000.0))}
    return Llava3dConfig(
        llama=LlamaConfig(**taken, rope_parameters=rope, tie_word_embeddings=False),
        clip=clip,
        tower=tower,
        frames=int(values["num_frames"]),
        max_length=int(values.get("tokenizer_model_max_length", 4096)),
    )


def read_json(path: Path, otherwise: str) -> dict[str, Any]:
    """A JSON object; ``otherwise`` begins the error if there is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Llava3dError(f"{otherwise}: {path.name} is missing") from None
    except (OSError, ValueError) as error:
        raise Llava3dError(f"{otherwise}: {path.name} cannot be read ({error}); fetch it again") from error
    if not isinstance(values, Mapping):
        raise Llava3dError(f"{otherwise}: {path.name} must hold an object. Got {type(values).__name__}")
    return dict(values)


def tower_folder(folder: Path, tower: str) -> Path | None:
    """CLIP's folder if ``tower`` names one, beside the checkpoint's files or anywhere."""
    found = folder / Path(tower).expanduser()  # an absolute path replaces the folder
    return found if found.is_dir() else None


def _clip(folder: Path, tower: str, select_layer: int) -> CLIPVisionConfig:
    beside = tower_folder(folder, tower)
    if beside is not None:
        values = read_json(beside / CONFIG, f"{beside} is not a CLIP model")
        values = values.get("vision_config", values)
    elif tower == CLIP_L_336:
        values = {
            "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
            "image_size": 336, "patch_size": 14,
        }  # fmt: skip
    else:
        raise Llava3dError(f"mm_vision_tower must be a folder or {CLIP_L_336}. Got {tower!r}, which is no folder")
    layers = int(values["num_hidden_layers"])
    # hidden_states has the input and then every layer's output.
    used = select_layer if select_layer >= 0 else layers + 1 + select_layer
    if not 1 <= used <= layers:
        raise Llava3dError(f"mm_vision_select_layer must name an output of {layers} layers. Got {select_layer}")
    return CLIPVisionConfig(**{**_plain(values), "num_hidden_layers": used})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "image_size", "patch_size", "hidden_act",
             "layer_norm_eps")  # fmt: skip
    return {name: values[name] for name in names if name in values}
