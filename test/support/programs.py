"""Processes that tests start: these find the modules of this folder, but no test module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TEST = Path(__file__).parents[1]


def start_module(module: str, *arguments: str, processes: int = 1, **options: Any) -> subprocess.Popen[str]:
    """``python -m module arguments``, by torchrun where there are to be several processes."""
    paths = os.pathsep.join(filter(None, [str(TEST), os.environ.get("PYTHONPATH")]))
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
    launcher = torchrun if processes > 1 else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", module, *arguments],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        text=True,
        **options,
    )
