"""Types of command options: how the text of a command line becomes a value, and the options that commands share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, Token, validators


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"must be a whole number of at least 1. Got '{text}'")
    return int(text)


def _to_positive(hint: Any, tokens: Sequence[Token]) -> int:
    return _positive(tokens[0].value)


def _to_size(hint: Any, tokens: Sequence[Token]) -> tuple[int, int]:
    return _size(tokens[0].value)


def _to_sizes(hint: Any, tokens: Sequence[Token]) -> tuple[tuple[int, int], ...]:
    return tuple(_size(part) for part in tokens[0].value.split(","))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    return _positive(width), _positive(height)


def _to_span(hint: Any, tokens: Sequence[Token]) -> tuple[int, int]:
    low, _, high = tokens[0].value.partition("..")
    return _positive(low), _positive(high or low)


def _to_rooms(hint: Any, tokens: Sequence[Token]) -> int | dict[str, int]:
    text = tokens[0].value
    if "=" not in text:
        return _positive(text)
    return {split: _positive(count) for split, _, count in (part.partition("=") for part in text.split(","))}


def _to_seeds(hint: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    parts = tokens[0].value.split(",")
    if not all(part.isdigit() for part in parts) or len(set(parts)) != len(parts):
        raise ValueError(f"must be different whole numbers with commas between. Got '{tokens[0].value}'")
    return tuple(int(part) for part in parts)


PositiveInt = Annotated[int, Parameter(converter=_to_positive, n_tokens=1)]
"""A whole number of at least 1."""
Seed = Annotated[int, Parameter(validator=validators.Number(gte=0))]
"""A whole number of at least 0, as numpy's generators take it."""
PictureSize = Annotated[
    tuple[int, int],
    Parameter(converter=_to_size, n_tokens=1, show_default=lambda size: size and f"{size[0]}x{size[1]}"),
]
"""Width and height: ``224x224``."""
PictureSizes = Annotated[tuple[tuple[int, int], ...], Parameter(converter=_to_sizes, n_tokens=1)]
"""Widths and heights with commas between: ``640x480,1280x720``."""
Span = Annotated[
    tuple[int, int],
    Parameter(converter=_to_span, n_tokens=1, show_default=lambda span: f"{span[0]}..{span[1]}"),
]
"""Fewest and most: ``10..60``; or one number for both."""
RoomCounts = Annotated[
    int | dict[str, int],
    Parameter(converter=_to_rooms, n_tokens=1, accepts_keys=False),
]
"""A number, or one of each split: ``train=1700,val=30``."""
Seeds = Annotated[tuple[int, ...], Parameter(converter=_to_seeds, n_tokens=1)]
"""Different whole numbers with commas between: ``0,1,2``."""
Words = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]
"""One word or several after one flag."""


@dataclass(frozen=True, kw_only=True)
class StudentOptions:
    """The student that a command uses."""

    model: Path | None = None
    """Folder of the student (default: the one in the package)."""


@dataclass(frozen=True, kw_only=True)
class BackendOptions(StudentOptions):
    """A student, and what computes it."""

    backend: Literal["torch", "onnxruntime", "auto"] = "torch"
    """What computes; onnxruntime needs files of export --onnx, auto takes it where they fit."""
    execution_provider: str = "cpu"
    """Of ONNX Runtime: cpu, cuda, tensorrt or another that it has here."""


@dataclass(frozen=True, kw_only=True)
class InferenceOptions(BackendOptions):
    """A student, and where it runs."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the student runs."""
    threads: PositiveInt | None = None
    """CPU threads."""


@dataclass(frozen=True, kw_only=True)
class MixedDataOptions:
    """One data set, or several that are mixed."""

    data: tuple[Path, ...]
    """Folder of a data set; give it again to mix several."""
