"""JSON of a published set, read field by field: what is missing or of the wrong type is named."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from distill3d_ros.training.data.importers.published_files import SourceError
from distill3d_ros.training.data.importers.scannet.scan_files import SCAN_NAME
from distill3d_ros.training.evaluation.benchmarks.question import BenchmarkQuestion


class Record:
    """A JSON object. Every reading of a field raises ``SourceError`` with file, record and remedy if it cannot be."""

    def __init__(self, value: Any, where: str, remedy: str) -> None:
        """
        Args:
            where: file and record, for errors.
            remedy: what to do about a file that is not as published.
        """
        self._where, self._remedy = where, remedy
        if not isinstance(value, dict):
            raise SourceError(f"{where} must be an object {{...}}. Got {_shown(value)}; {remedy}")
        self._value = value

    def error(self, name: str, wanted: str) -> SourceError:
        got = _shown(self._value[name]) if name in self._value else "no such field"
        return SourceError(f"{self._where}: '{name}' must be {wanted}. Got {got}; {self._remedy}")

    def has(self, name: str) -> bool:
        return name in self._value

    def text(self, name: str) -> str:
        value = self._value.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.error(name, "a text")
        return value

    def name_or_number(self, name: str) -> str:
        """A text or a number, as text."""
        value = self._value.get(name)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
            raise self.error(name, "a text or a number")
        return str(value)

    def number(self, name: str) -> float:
        value = self._value.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.error(name, "a number")
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """At least one."""
        value = self._value.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v.strip() for v in value):
            raise self.error(name, "a list of texts, at least one")
        return tuple(value)

    def record(self, name: str) -> Record:
        value = self._value.get(name)
        if not isinstance(value, dict):
            raise self.error(name, "an object {...}")
        return Record(value, f"{self._where}, {name}", self._remedy)

    def records(self, name: str) -> list[Record]:
        """At least one."""
        value = self._value.get(name)
        if not isinstance(value, list) or not value:
            raise self.error(name, "a list of objects {...}, at least one")
        return [Record(v, f"{self._where}, {name} {i}", self._remedy) for i, v in enumerate(value)]

    def scan(self, name: str) -> str:
        value = self.text(name)
        if not SCAN_NAME.fullmatch(value):
            raise self.error(name, "the name of a scan of ScanNet, such as scene0000_00")
        return value


def read_json(path: Path, remedy: str) -> Any:
    """The content of a JSON file.

    Raises:
        SourceError: it is not there, or no JSON.
    """
    return _parsed(_text_of(path, remedy), str(path), remedy)


def read_json_lines(path: Path, remedy: str) -> list[Record]:
    """The objects of a file with one in each line; empty lines are passed over.

    Raises:
        SourceError: the file is not there, or a line is no JSON object.
    """
    lines = enumerate(_text_of(path, remedy).splitlines(), start=1)
    places = [(f"{path}, line {number}", line) for number, line in lines if line.strip()]
    return [Record(_parsed(line, where, remedy), where, remedy) for where, line in places]


def list_of_records(value: Any, path: Path, remedy: str) -> list[Record]:
    """The objects of a file that is one list of them; they count from 0 in errors."""
    if not isinstance(value, list):
        raise SourceError(f"{path} must be a list of questions. Got {_shown(value)}; {remedy}")
    return [Record(v, f"{path}, record {i}", remedy) for i, v in enumerate(value)]


def check_questions(questions: Iterable[BenchmarkQuestion], path: Path, remedy: str) -> tuple[BenchmarkQuestion, ...]:
    """The questions, at least one, each with an id of its own."""
    seen: set[str] = set()
    for question in (found := tuple(questions)):
        if question.id in seen:
            raise SourceError(f"{path} has question {question.id} twice; {remedy}")
        seen.add(question.id)
    if not found:
        raise SourceError(f"{path} has no question about a scan of ScanNet; {remedy}")
    return found


def _text_of(path: Path, remedy: str) -> str:
    if not path.is_file():
        raise SourceError(f"{path} is no file; {remedy}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is no text ({error.reason} at byte {error.start}); {remedy}") from error


def _parsed(text: str, where: str, remedy: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SourceError(f"{where} is no JSON ({error}); {remedy}") from error


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
