"""Logged rows of a training run (``metrics.jsonl``), and their curves as a picture."""

from __future__ import annotations

import json
from pathlib import Path

from distill3d_ros.system.files import write_whole

METRICS, SETTINGS = "metrics.jsonl", "stage.json"
"""Files in a stage's folder: the logged rows, one a line, and the stage's configuration."""
TIMES = ("samples_per_second", "waiting_for_data", "minutes", "peak_rss_mib", "peak_gpu_mib")
HIDDEN = ("step", "lr", "grad_norm", *TIMES)
"""What is logged but not drawn."""


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a ``metrics.jsonl``; a last row that was cut off by a crash is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def drop_rows_after(path: Path, step: int) -> None:
    """Takes out what was logged after the checkpoint that a run goes on from."""
    if path.exists():
        kept = [json.dumps(row) + "\n" for row in read_metrics(path) if row.get("step", 0) <= step]
        write_whole(path, "".join(kept))


def plot_losses(metrics: Path, picture: Path) -> None:
    """One panel a figure, over the steps."""
    rows = read_metrics(metrics)
    names = list(dict.fromkeys(name for row in rows for name in row if name not in HIDDEN))
    if not names:
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 4
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(3.2 * columns, 2.2 * lines), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        points = [(row["step"], row[name]) for row in rows if name in row]
        axis.plot(*zip(*points, strict=True), linewidth=1)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    for axis in list(axes.flat)[len(names) :]:
        axis.axis("off")
    figure.tight_layout()
    write_whole(picture, lambda path: figure.savefig(path, dpi=90, format="png"))
    plt.close(figure)
