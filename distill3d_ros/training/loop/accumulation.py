"""Batches in parts, for machines whose memory holds no whole one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor


def split_batch(batch: Any, size: int, parts: int) -> list[Any]:
    """A batch of ``size`` samples as ``parts`` of consecutive samples.

    Tensors and lists that have one entry a sample are cut, in dataclasses and mappings wherever they lie; what numbers
    its samples in another way has a method ``part(first, end)``; everything else belongs to every part.

    Raises:
        ValueError: the samples cannot be dealt out evenly.
    """
    if size % parts:
        raise ValueError(f"a batch of {size} samples cannot be split into {parts} equal parts")
    if parts == 1:
        return [batch]
    return [_cut(batch, size, slice(n * size // parts, (n + 1) * size // parts)) for n in range(parts)]


def _cut(value: Any, size: int, part: slice) -> Any:
    if hasattr(value, "part"):
        return value.part(part.start, part.stop)
    if isinstance(value, Tensor):
        return value[part] if value.ndim and len(value) == size else value
    if isinstance(value, list):
        return value[part] if len(value) == size else value
    if isinstance(value, Mapping):
        return {key: _cut(v, size, part) for key, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _cut(getattr(value, f.name), size, part) for f in fields(value) if f.init})
    return value
