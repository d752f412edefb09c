"""A command: its help, its options, and the function that they are handed on to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True)
class Command(Generic[OptionsT]):
    """One entry of the table of commands."""

    help: str
    """What it does, beginning with a small letter."""
    options: type[OptionsT]
    """A dataclass. Flags, types, defaults and help are made from its fields and the text below each; fields before
    ``KW_ONLY`` may be given by their place, too."""
    run: Callable[[OptionsT], int]
    """Takes the options and returns the exit status; imports what is heavy when it is called."""
