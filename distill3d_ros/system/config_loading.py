"""Typed configuration from mappings: unknown keys and wrong values are named."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def to_dict(config: object) -> dict[str, Any]:
    """A config as JSON types; ``build`` reads it back."""
    return dataclasses.asdict(config)  # type: ignore[call-overload]


def build(kind: type[T], data: Mapping[str, Any], *, where: str) -> T:
    """A dataclass from a mapping, nested ones included; an unknown key is an error that names its neighbours."""
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in data:
        if key not in names:
            close = difflib.get_close_matches(str(key), names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known keys: {', '.join(names)}"
            raise ValueError(f"{where}: unknown key {key!r}{hint}")
    values = {key: _value(hints[key], value, where=f"{where}: {key}") for key, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


def _value(hint: Any, value: Any, *, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ValueError(f"{where} must be a mapping. Got {value!r}")
        return build(typing.cast(type, hint), value, where=where)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{where} must be a list. Got {value!r}")
        return tuple(_value(args[0], v, where=f"{where}[{i}]") for i, v in enumerate(value))
    if origin is tuple:
        if not isinstance(value, (list, tuple)) or len(value) != len(args):
            raise ValueError(f"{where} must be a list of {len(args)} values. Got {value!r}")
        return tuple(_value(a, v, where=where) for a, v in zip(args, value, strict=True))
    if origin in (dict, types.UnionType, typing.Union) or hint is Any:
        return value
    if hint is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:  # YAML reads 1e-3 as a string
            return float(value)
        except ValueError:
            raise ValueError(f"{where} must be a number. Got {value!r}") from None
    if hint in (int, str, bool) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise ValueError(f"{where} must be of type {hint.__name__}. Got {value!r}")
    return value
