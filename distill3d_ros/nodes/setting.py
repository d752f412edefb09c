"""One parameter of a node: its type, its words, and what it may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One parameter."""

    name: str
    default: Any
    """Its type is the parameter's type. Lists must not be empty: rclpy takes [] for a byte array."""
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    """Whether a change applies to a running node at once; the others are read when the node is configured."""
    check: Callable[[Any], str] = lambda value: ""
    """What is wrong with a value; empty when it is fine."""

    def descriptor(self) -> ParameterDescriptor:
        notes = [self.description]
        if self.choices:
            notes.append("One of: " + ", ".join(c or "''" for c in self.choices) + ".")
        notes.append("Applies at once." if self.live else "Read when the node is configured.")
        descriptor = ParameterDescriptor(name=self.name, description=" ".join(notes))
        if self.low is not None and self.high is not None:
            if isinstance(self.default, int):
                descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high), step=0)]
            else:
                limits = FloatingPointRange(from_value=self.low, to_value=self.high, step=0.0)
                descriptor.floating_point_range = [limits]
        return descriptor

    def problem(self, value: Any) -> str:
        """The problem of ``value``; empty when it is valid. rclpy checks ranges."""
        if self.choices and value not in self.choices:
            return f"parameter '{self.name}' must be one of {', '.join(self.choices)}. Got '{value}'"
        found = self.check(value)
        return f"parameter '{self.name}' {found}. Got {value}" if found else ""
