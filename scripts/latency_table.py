"""Write the README's latency and memory table from docs/results/bench.json (``make bench``)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "results" / "bench.json"
README = ROOT / "README.md"
ROWS = {
    "perceive, 640x480 image": "perceive a frame of 640 x 480: depth and boxes",
    "ask, first question about a scene": "the first question about a frame",
    "ask": "each further question about it",
    "~/ask, round trip": "a question through the ROS service, while the node perceives at {rate}",
}
_TABLE = re.compile(r"(?<=\n\n)Measured by `distill3d bench`.*?\n\n(?:\|.*\n)+")


def latency_table(figures: Mapping[str, Any]) -> str:
    """The sentence about the machine, and the table, as Markdown."""
    timings = {t["stage"]: t for t in figures["timings"]}
    rate = timings["scene to scene, through ROS"]["note"]
    lines = [
        f"Measured by `distill3d bench` with `{figures['model']}` on {figures['machine']}.",
        "",
        "| | median | 95 % |",
        "|---|---|---|",
    ]
    for stage, text in ROWS.items():
        median, p95 = timings[stage]["median_ms"], timings[stage]["p95_ms"]
        lines.append(f"| {text.format(rate=rate)} | {median:.0f} ms | {p95:.0f} ms |")
    lines.append(f"| peak resident memory of `spatial_node` | {figures['spatial_node_peak_mib']:.0f} MiB | |")
    return "\n".join(lines) + "\n"


def main() -> None:
    table = latency_table(json.loads(FIGURES.read_text(encoding="utf-8")))
    readme, count = _TABLE.subn(lambda _: table, README.read_text(encoding="utf-8"))
    if count != 1:
        raise SystemExit(f"{README} must have one table after 'Measured by `distill3d bench`'. Found {count}")
    README.write_text(readme, encoding="utf-8")


if __name__ == "__main__":
    main()
