"""What a part of the soak found, and the one table of all parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOST_FAULTS = 20
"""Kept of a part; more of the same help nobody."""


@dataclass(slots=True)
class Part:
    """One row of the table."""

    name: str
    figures: dict[str, float] = field(default_factory=dict)
    """Name with its unit -> as measured."""
    faults: list[str] = field(default_factory=list)
    """What should not have happened, the first ``MOST_FAULTS``."""
    fault_count: int = 0

    def fault(self, text: str) -> None:
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(text)


def as_json(parts: Sequence[Part], about: Mapping[str, str]) -> dict[str, object]:
    """``about`` (command, machine, model) and a record for each part."""
    rows = [{"part": p.name, "figures": p.figures, "fault_count": p.fault_count, "faults": p.faults} for p in parts]
    return {**about, "parts": rows}


def as_markdown(parts: Sequence[Part], about: Mapping[str, str]) -> str:
    """The same as a table."""
    lines = [f"Measured by `{about['command']}` with `{about['model']}` on {about['machine']}.", ""]
    lines += ["| part | measured | faults |", "|---|---|---|"]
    for part in parts:
        measured = ", ".join(f"{name} {value:g}" for name, value in part.figures.items())
        lines.append(f"| {part.name} | {measured} | {part.fault_count} |")
    return "\n".join(lines) + "\n"
