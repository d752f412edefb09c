"""scripts/gpu_bench.py at small size, which needs no GPU."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from support.markdown import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import gpu_bench


def test_it_measures_student_and_teacher_and_writes_the_page(tmp_path: Path) -> None:
    figures, page = tmp_path / "bench.json", tmp_path / "performance.md"
    shutil.copy(ROOT / "docs" / "results" / "bench.json", figures)
    gpu_bench.main(["--small", "--json", str(figures), "--page", str(page)])
    rows = json.loads(figures.read_text())["gpu"]["rows"]
    assert [row["network"] for row in rows] == ["pico", "LLaVA-3D-7B's shape"]
    for row in rows:
        assert "error" not in row, row
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert f"| {row['network']} | {row['parameters'] / 1e6:.1f} |" in page.read_text()


def test_the_teacher_has_the_size_of_seven_billion() -> None:
    import torch

    with torch.device("meta"):
        model = gpu_bench.Llava3d(gpu_bench.llava3d_7b())
    assert 6.9e9 < sum(p.numel() for p in model.parameters()) < 7.2e9
