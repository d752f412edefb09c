"""The plots of an ablation's report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

from distill3d_ros.system.files import write_whole

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from distill3d_ros.training.ablation.thoughts import AS_TRAINED, CONDITIONS

ACCURACY, FAMILIES, ATTENTION, CHANGED = "accuracy.png", "families.png", "attention.png", "thoughts.png"
BESIDE: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
"""Legend beside the axes, so that it hides nothing."""


def plot_all(result: Mapping[str, Any], out: Path) -> list[str]:
    """Draws the plots that the result has data for; returns the names of the files."""
    drawn = []
    if result["variants"]:
        drawn += [_save(_accuracy(result), out / ACCURACY)]
        if any(v["difference"] for v in result["variants"].values()):
            drawn += [_save(_families(result), out / FAMILIES)]
        if any(v["thoughts"]["attention"] for v in result["variants"].values()):
            drawn += [_save(_attention(result), out / ATTENTION)]
        if any(v["thoughts"]["changed"] for v in result["variants"].values()):
            drawn += [_save(_changed(result), out / CHANGED)]
    return drawn


def _accuracy(result: Mapping[str, Any]) -> Figure:
    """A line a variant: seeds as dots, the mean with both intervals."""
    variants = result["variants"]
    figure, axis = plt.subplots(figsize=(7, 1.0 + 0.34 * len(variants)))
    for y, found in enumerate(variants.values()):
        accuracy = found["accuracy"]
        axis.plot(accuracy["over_questions"], [y, y], color="0.75", linewidth=7, solid_capstyle="butt")
        if accuracy["over_seeds"] is not None:
            axis.plot(accuracy["over_seeds"], [y, y], color="tab:blue", linewidth=1.5)
        axis.plot(accuracy["by_seed"], [y] * len(accuracy["by_seed"]), "o", color="tab:blue", markersize=3)
        axis.plot(accuracy["mean"], y, "|", color="black", markersize=12)
    reference = variants.get(result["reference"])
    if reference is not None:
        axis.axvline(reference["accuracy"]["mean"], color="0.5", linewidth=0.7, linestyle=":")
    low = min(min(v["accuracy"]["by_seed"] + v["accuracy"]["over_questions"]) for v in variants.values())
    high = max(max(v["accuracy"]["by_seed"] + v["accuracy"]["over_questions"]) for v in variants.values())
    axis.set_xlim(max(0.0, low - 0.04), min(1.0, high + 0.04))
    axis.set_yticks(range(len(variants)), list(variants))
    axis.invert_yaxis()
    axis.set_xlabel("accuracy; dots: seeds, line: 95 % over seeds, bar: 95 % over questions")
    axis.grid(axis="x", alpha=0.3)
    return figure


def _families(result: Mapping[str, Any]) -> Figure:
    """Differences to the reference by family."""
    rows = {name: v["difference"]["families"] for name, v in result["variants"].items() if v["difference"]}
    families = list(next(iter(rows.values())))
    values = np.array([[row[f]["mean"] for f in families] for row in rows.values()])
    figure, axis = plt.subplots(figsize=(1.8 + 0.9 * len(families), 1.4 + 0.34 * len(rows)))
    most = max(0.02, float(np.abs(values).max()))
    image = axis.imshow(values, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            color = "white" if abs(value) > 0.6 * most else "black"
            axis.text(x, y, f"{value:+.3f}", ha="center", va="center", fontsize=7, color=color)
    axis.set_xticks(range(len(families)), families, rotation=30, ha="right")
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set_title(f"accuracy minus that of {result['reference']}", fontsize=10)
    figure.colorbar(image, ax=axis)
    return figure


def _attention(result: Mapping[str, Any]) -> Figure:
    """Share of an answer token's attention that goes to the thoughts, by layer."""
    rows = {n: v["thoughts"]["attention"] for n, v in result["variants"].items() if v["thoughts"]["attention"]}
    figure, axis = plt.subplots(figsize=(6.5, 3.5))
    for name, row in rows.items():
        layers = np.array(row["layers"]).mean(1)
        (line,) = axis.plot(range(1, len(layers) + 1), layers, marker="o", markersize=3, label=name)
        axis.axhline(row["uniform"], color=line.get_color(), linewidth=0.6, linestyle=":")
    axis.set_xlabel("layer")
    axis.set_ylabel("attention on the thoughts")
    axis.set_title("answer tokens; dotted: if they looked everywhere alike", fontsize=10)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=7, **BESIDE)
    axis.grid(alpha=0.3)
    return figure


def _changed(result: Mapping[str, Any]) -> Figure:
    """Accuracy with the thoughts changed at test time."""
    rows = {n: v for n, v in result["variants"].items() if v["thoughts"]["changed"]}
    figure, axis = plt.subplots(figsize=(3.0 + 0.9 * len(rows), 3.5))
    width = 0.8 / len(CONDITIONS)
    for i, condition in enumerate(CONDITIONS):
        heights = [
            v["accuracy"]["mean"]
            if condition == AS_TRAINED
            else v["thoughts"]["changed"].get(condition, {}).get("accuracy", np.nan)
            for v in rows.values()
        ]
        axis.bar(np.arange(len(rows)) + (i - 1.5) * width, heights, width, label=condition.replace("_", " "))
    axis.set_xticks(range(len(rows)), list(rows), rotation=30, ha="right")
    axis.set_ylabel("accuracy")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=7, **BESIDE)
    axis.grid(axis="y", alpha=0.3)
    return figure


def _save(figure: Figure, path: Path) -> str:
    figure.tight_layout()
    write_whole(path, lambda part: figure.savefig(part, dpi=110, format="png"))
    plt.close(figure)
    return path.name
