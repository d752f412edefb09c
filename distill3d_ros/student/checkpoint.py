"""A student on disk: ``model.safetensors``, ``tokenizer.json``, and ``config.json`` with the card of its training.

``config.json`` holds the sha256 of the other files, so that a truncated or exchanged file is found before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

from distill3d_ros.student.description import (
    CONFIG,
    FORMAT,
    TOKENIZER,
    WEIGHTS,
    CheckpointError,
    read_config,
    read_description,
    verify_files,
)
from distill3d_ros.student.student import Student
from distill3d_ros.system.files import file_sha256, write_together

STORED_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def save_student(
    directory: str | Path, student: Student, card: Mapping[str, Any] | None = None, *, dtype: str = "float32"
) -> Path:
    """Writes a checkpoint; an existing one is replaced only once the new files are complete.

    ``dtype`` float16 halves the file and rounds the weights (to 11 bits); what is loaded is then exactly what was
    stored, and saving it again gives the same bytes. ``card`` is any JSON data about the training and its results.
    """
    if dtype not in STORED_DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(STORED_DTYPES)}. Got {dtype!r}")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {name: _stored(name, tensor, STORED_DTYPES[dtype]) for name, tensor in student.state_dict().items()}
    sha256: dict[str, str] = {}

    def write_weights(path: Path) -> None:
        try:
            save_file(tensors, path, metadata={"format": "pt"})  # several entries would be stored in random order
        except SafetensorError as error:
            raise OSError(f"could not write {directory / WEIGHTS}: {error}; is the disk full?") from error
        sha256[WEIGHTS] = file_sha256(path)

    def write_tokenizer(path: Path) -> None:
        student.language.tokenizer.save(str(path))
        sha256[TOKENIZER] = file_sha256(path)

    def write_config(path: Path) -> None:
        description = {
            "format": FORMAT,
            "student": student.config.to_dict(),
            "dtype": dtype,
            "parameters": sum(p.numel() for p in student.parameters()),
            "sha256": sha256,
            "card": dict(card or {}),
        }
        path.write_text(json.dumps(description, indent=1) + "\n")

    # The config, which holds the checksums, comes last.
    write_together(
        {directory / WEIGHTS: write_weights, directory / TOKENIZER: write_tokenizer, directory / CONFIG: write_config}
    )
    return directory


def load_student(
    directory: str | Path, device: str | torch.device = "cpu", *, preset: str | None = None, verify: bool = True
) -> Student:
    """Reads a checkpoint, ready for inference. ``preset``: the one that is expected; any other is refused."""
    directory = Path(directory)
    if verify:
        verify_files(directory, read_description(directory))
    config = read_config(directory)
    if preset is not None and config.preset != preset:
        raise CheckpointError(f"{directory} holds a student of preset {config.preset!r}, but {preset!r} was asked for")
    with _WithoutFirstValues():
        student = Student(config, Tokenizer.from_file(str(directory / TOKENIZER)))
    load_weights(student, directory / WEIGHTS)
    return student.to(device).eval()


def load_weights(student: Student, path: str | Path) -> None:
    """Strict: every tensor must be there, with the right shape, and none besides.

    The file is mapped into memory: values of the student's type stay there until they are changed, others are converted
    from there.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); it is missing or truncated, fetch it again") from error
    expected = student.state_dict()
    problems = [f"missing {name} {tuple(t.shape)}" for name, t in expected.items() if name not in tensors]
    problems += [f"unexpected {name} {tuple(t.shape)}" for name, t in tensors.items() if name not in expected]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(t.shape)}"
        for name, t in expected.items()
        if name in tensors and tensors[name].shape != t.shape
    ]
    if problems:
        shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise CheckpointError(f"{path} does not fit preset {student.config.preset!r}: {shown}")
    student.load_state_dict({name: t.to(expected[name].dtype) for name, t in tensors.items()}, assign=True)


class _WithoutFirstValues(TorchFunctionMode):
    """Inside, nothing is drawn into new parameters, which a checkpoint's tensors replace.

    Drawing takes longer than reading a checkpoint, and its memory twice.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _DRAWING:
            return func(*args, **kwargs)
        return args[0] if args else kwargs["tensor"]


_DRAWING = (Tensor.uniform_, Tensor.normal_, init.uniform_, init.normal_, init.kaiming_uniform_)


def count_parameters(student: Student) -> dict[str, int]:
    """Parameters by part, in the order of construction; ``total`` last."""
    counts = {}
    for name, child in student.named_children():
        for sub_name, part in child.named_children():
            counts[f"{name}.{sub_name}"] = sum(p.numel() for p in part.parameters())
        own = sum(p.numel() for p in child.parameters(recurse=False))
        if own:
            counts[f"{name} (own)"] = own
    counts["total"] = sum(p.numel() for p in student.parameters())
    return counts


def _stored(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if not tensor.is_floating_point():
        return tensor.contiguous()
    stored = tensor.detach().to("cpu", dtype).contiguous()
    if not torch.isfinite(stored).all():
        raise ValueError(f"{name} has values that are not finite in {dtype}; a student that diverged is not saved")
    return stored
