"""Public networks by folder or by id on a hub, with clear errors for what is no such network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distill3d_ros.student.hub import hub_folder
from distill3d_ros.system.files import file_sha256

FILES = ("*.json", "*.safetensors", "vocab.txt", "merges.txt", "*.model")
"""What is fetched of a repository: never pickled weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network of transformers with its processor."""

    source: str
    """As the user named it."""
    kind: str
    """``model_type`` of its configuration."""
    model: nn.Module
    processor: Any
    name: str
    """Its folder's name and the first digits of its weights' sha256."""

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def describe(self) -> dict[str, Any]:
        """Identity and size, for the report."""
        parameters = sum(p.numel() for p in self.model.parameters())
        return {"source": self.source, "model_type": self.kind, "name": self.name, "parameters": parameters}


def load_network(
    source: str,
    *,
    option: str,
    task: str,
    kinds: Mapping[str, tuple[type[Any], type[Any]]],
    device: torch.device,
) -> Network:
    """A network in a folder, or ``owner/name@revision`` on a hub; in float32.

    Args:
        option: the option that named it, such as ``--depth``.
        task: what it must be able to do, in words.
        kinds: the model types that can, each with the auto classes of its model and of its processor.

    Raises:
        FileNotFoundError: it is neither here nor can it be fetched.
        ValueError: it is a network of another task, or its files do not fit together.
    """
    folder = hub_folder(source, files=FILES, what=f"a network of transformers for {task}", option=option)
    kind = _model_type(folder, option)
    if kind not in kinds:
        raise ValueError(
            f"{option} must be a network for {task}: its model_type one of {', '.join(sorted(kinds))}. Got '{source}', "
            f"which is {kind!r}"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ValueError(
            f"{option}: '{source}' has no weights as safetensors, and pickled ones are not loaded; name a revision "
            "that has them"
        )
    network, processor = kinds[kind]
    try:
        loaded: Any = network.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        prepared = processor.from_pretrained(folder)
    except (ValueError, KeyError, OSError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{option}: '{source}' cannot be loaded as a network for {task}: {reason}") from error
    sha256 = hashlib.sha256("".join(file_sha256(f) for f in weights).encode()).hexdigest()
    name = source.partition("@")[0].rstrip("/").rpartition("/")[2]
    return Network(
        source=source, kind=kind, model=loaded.eval().to(device), processor=prepared, name=f"{name}-{sha256[:8]}"
    )


def _model_type(folder: Path, option: str) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text())["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{option}: '{folder}' is no network of transformers: config.json with its model_type is missing or damaged"
        ) from error
