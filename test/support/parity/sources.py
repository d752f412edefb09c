"""Sources of numbers to agree with: the fixtures in git, and those of the published code beside a clone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

TEST = Path(__file__).parents[2]
FIXTURES = TEST / "fixtures"
PUBLISHED = TEST.parents[1] / "shared" / "parity"


def source(name: str, *, published: bool) -> Any:
    """A parameter of tests: the folder of the numbers. What is not in the clone is skipped where it is not there."""
    if not published:
        return pytest.param(FIXTURES / name, id="fixtures")
    folder = PUBLISHED / name
    reason = f"numbers recorded from the published code are not at ../shared/parity/{name}"
    return pytest.param(folder, id="published", marks=pytest.mark.skipif(not folder.is_dir(), reason=reason))


def both(name: str) -> list[Any]:
    return [source(name, published=False), source(name, published=True)]


def numbers(path: Path) -> dict[str, Tensor]:
    """A file's arrays; those that are stored in float16 to be small become float32."""
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in load_file(path).items()}
