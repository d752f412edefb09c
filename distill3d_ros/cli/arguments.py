"""Arguments that several commands share, and the reading of their values."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Options = argparse.Namespace
Arguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[Options], int]
Command = tuple[str, Arguments, Run]
"""Help, what adds its arguments, what does it."""


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1. Got '{text}'")
    return int(text)


def rooms(text: str) -> int | dict[str, int]:
    """A number, or one of each split: ``train=1700,val=30``."""
    if "=" not in text:
        return positive(text)
    return {split: positive(count) for split, _, count in (part.partition("=") for part in text.split(","))}


def span(text: str) -> tuple[int, int]:
    """Fewest and most: ``10..60``; or one number for both."""
    low, _, high = text.partition("..")
    return positive(low), positive(high or low)


def size(text: str) -> tuple[int, int]:
    """Width and height: ``224x224``."""
    width, _, height = text.lower().partition("x")
    return positive(width), positive(height)


def add_student(parser: argparse.ArgumentParser) -> None:
    """``--model``, the student that is used."""
    parser.add_argument("--model", type=Path, help="folder of the student (default: the one in the package)")


def add_where_it_runs(parser: argparse.ArgumentParser) -> None:
    """``--device`` and ``--threads`` of the student."""
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where the student runs")
    parser.add_argument("--threads", type=positive, help="CPU threads")


def add_mixed_data(parser: argparse.ArgumentParser) -> None:
    """``--data``, one folder or several that are mixed."""
    parser.add_argument(
        "--data", type=Path, required=True, action="append", help="folder of a data set; give it again to mix several"
    )
