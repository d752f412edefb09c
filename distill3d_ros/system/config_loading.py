"""Typed configuration from YAML: pydantic fills and checks dataclasses; unknown keys and wrong values are named."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

if typing.TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")
_EXPECTED = {
    "dataclass_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "float_type": "must be a number",
    "int_type": "must be of type int",
    "int_from_float": "must be of type int",
    "bool_type": "must be of type bool",
    "string_type": "must be of type str",
}
"""pydantic's name of an error -> what the value should have been."""
_NUMBERS = ("int", "float")
"""Ends of the path to a number that may be either; pydantic tells an error for each."""


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number, as YAML 1.2 does; PyYAML alone takes it for a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(text: str) -> Any:
    """A YAML text as mappings, lists, texts and numbers; raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


def load_yaml(path: Path, *, what: str = "configuration", example: str) -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        what: the file's kind, for messages.
        example: file that is named where there is none at ``path``.

    Raises:
        ValueError: the file is missing, not valid, or holds something else.
    """
    try:
        data = read_yaml(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"no {what} at {path}; {example} is one") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {_in_one_line(error)}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} must hold a mapping. Got {type(data).__name__}")
    return data


def _in_one_line(error: yaml.YAMLError) -> str:
    """The problem and its place, without the excerpt that PyYAML draws below."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        place = f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
        return f"{error.problem}, in {place}"
    return " ".join(str(error).split())


def to_dict(config: object) -> dict[str, Any]:
    """A config as JSON types; ``build`` reads it back."""
    return dataclasses.asdict(config)  # type: ignore[call-overload]


def build(kind: type[T], data: Mapping[str, Any], *, where: str) -> T:
    """A dataclass from a mapping, nested ones included.

    Raises:
        ValueError: a key that does not exist (the message names it and its neighbours) or a value of a wrong type, with
            ``where`` and the dotted key; or what the dataclass itself says of its values.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        # As JSON: its strict mode takes a list for a tuple and a whole number for a float, and turns nothing else.
        return TypeAdapter(kind).validate_json(json.dumps(data, default=str), strict=True, extra="forbid")
    except ValidationError as error:
        found = error.errors()
        first = next((e for e in found if e["type"] == "unexpected_keyword_argument"), found[0])
        raise ValueError(_describe(first, kind, where)) from None


def _describe(error: ErrorDetails, kind: type, where: str) -> str:
    reason = error.get("ctx", {}).get("error")
    if isinstance(reason, ValueError):
        return str(reason)
    *path, key = [step for step in error["loc"] if step not in _NUMBERS]
    if error["type"] == "unexpected_keyword_argument":
        names = [f.name for f in dataclasses.fields(_type_at(kind, path))]
        close = difflib.get_close_matches(str(key), names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(names)}"
        return f"{_dotted(where, path)}: unknown key {key!r}; {hint}"
    if error["type"] == "missing" and isinstance(key, str):
        return f"{_dotted(where, path)}: {key} is missing"
    whole = path if error["type"] == "missing" else [*path, key]
    expected = _EXPECTED.get(error["type"], error["msg"])
    if error["type"] in ("missing", "too_short", "too_long", "tuple_type"):
        entries = typing.get_args(_type_at(kind, whole))
        expected = "must be a list" + (f" of {len(entries)} values" if Ellipsis not in entries else "")
    elif error["loc"][-1] in _NUMBERS:
        expected = _EXPECTED["float_type"]
    return f"{_dotted(where, whole)} {expected}. Got {error['input']!r}"


def _type_at(kind: Any, path: Sequence[str | int]) -> Any:
    """The type of a field of a field of a dataclass; of a list's entry where the path has a number."""
    for step in path:
        arguments = typing.get_args(kind)
        if isinstance(step, str):
            kind = typing.get_type_hints(kind)[step]
        else:
            kind = arguments[0] if arguments[1:] == (Ellipsis,) else arguments[step]
    return kind


def _dotted(where: str, path: Sequence[str | int]) -> str:
    """``pico.yaml: stages[0].augment``."""
    keys = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{where}: {keys.removeprefix('.')}" if keys else where
