"""Options of ``distill3d benchmark``."""

# Without `from __future__ import annotations`: Python 3.10 cannot evaluate a text that says KW_ONLY.

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from distill3d_ros.system.command_options import InferenceOptions, PositiveInt


@dataclass(frozen=True)
class BenchmarkOptions(InferenceOptions):
    """A published question set, its scans, and the student that is asked."""

    name: Literal["scanqa", "sqa3d", "vsi-bench"]
    """The question set."""
    questions: Path
    """Its published file."""
    _: KW_ONLY
    scans: Path
    """Folder with ScanNet's scans, scene0000_00, ..."""
    out: Path
    """Folder for report.md, report.json and answers.jsonl."""
    annotations: Path | None = None
    """SQA3D's file with the answers (default: the one beside QUESTIONS)."""
    frames: PositiveInt = 8
    """Frames of a scan that are looked at together, at most 8."""
    count: PositiveInt | None = None
    """Ask only so many questions, evenly spread over the file."""
    skip_missing: bool = False
    """Leave out questions about scans that are not in SCANS."""
