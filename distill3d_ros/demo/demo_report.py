"""Output of the demo: a line a question, the summary, pictures, figures as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from distill3d_ros.pictures.drawing import depth_picture, draw_scene, top_down
from distill3d_ros.pictures.sheets import Picture, encode_png, tiled, with_caption
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.kind_record import FAMILIES
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.evaluation.metrics import DepthScore, mean_depth_score, wilson_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One question that was answered."""

    place: str
    family: str
    kind: str
    question: str
    answer: str
    truth: str
    right: bool
    confidence: float
    latency_ms: float
    """In the node."""
    round_trip_ms: float
    """At the one who asks."""
    stamp_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A moment of the drive with everything that is known about it."""

    image: Picture
    seen: Scene
    """What the student made of it, depth included."""
    truth: Scene
    """With the true depth."""
    exchange: Exchange
    answer: Answer


@dataclass(slots=True)
class Findings:
    """All that the demo measured."""

    exchanges: list[Exchange] = field(default_factory=list)
    depth: dict[str, list[DepthScore | None]] = field(default_factory=dict)
    """Title of the room -> the depth error of each view that a question was asked about."""
    perception_hz: float | None = None
    """Scenes a second while nothing was asked."""
    skipped: int = 0
    """Questions whose answer was no longer clear when the answer came, since the camera had moved on."""
    unanswered: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        right = sum(e.right for e in self.exchanges)
        depth = mean_depth_score(score for scores in self.depth.values() for score in scores)
        return {
            "questions": len(self.exchanges),
            "accuracy": right / len(self.exchanges) if self.exchanges else None,
            "depth": None if depth is None else depth.to_dict(),
            "perception_hz": self.perception_hz,
            "latency_ms_p50": median(e.round_trip_ms for e in self.exchanges),
            "skipped": self.skipped,
            "unanswered": self.unanswered,
            "exchanges": [asdict(e) for e in self.exchanges],
        }


def median(values: Any) -> float | None:
    found = list(values)
    return float(statistics.median(found)) if found else None


# --------------------------------------------------------------------------------------------------- on the screen


def exchange_header(console: Console) -> None:
    console.print(_line(console, "", "question", "answer", "truth", "ms"), style="bold")


def print_exchange(console: Console, exchange: Exchange) -> None:
    line = _line(
        console,
        "✓" if exchange.right else "✗",
        exchange.question,
        exchange.answer,
        exchange.truth,
        f"{exchange.round_trip_ms:.0f}",
    )
    line.stylize("green" if exchange.right else "red", 0, 1)
    console.print(line)


def _line(console: Console, mark: str, question: str, answer: str, truth: str, latency: str) -> Text:
    wide = max(30, min(70, console.width - 54))
    cells = [(mark, 2), (question, wide), (answer, 21), (truth, 21)]
    return Text(" ".join(_cut(text, width) for text, width in cells) + latency.rjust(6), no_wrap=True)


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def print_summary(console: Console, findings: Findings) -> None:
    places = list(dict.fromkeys(e.place for e in findings.exchanges))
    table = Table(title="right answers by family", title_justify="left")
    table.add_column("family")
    for place in places:
        table.add_column(place, justify="right")
    table.add_column("all", justify="right")
    for family in FAMILIES:
        own = [e for e in findings.exchanges if e.family == family]
        table.add_row(family, *(_share([e for e in own if e.place == place]) for place in places), _share(own))
    table.add_section()
    all_of = [[e for e in findings.exchanges if e.place == place] for place in places]
    table.add_row("all", *(_share(part) for part in all_of), _share(findings.exchanges))
    console.print(table)
    low, high = wilson_interval(sum(e.right for e in findings.exchanges), len(findings.exchanges))
    console.print(f"accuracy with 95 % interval: {low:.0%} to {high:.0%} ({len(findings.exchanges)} questions)")
    for place in places:
        score = mean_depth_score(findings.depth.get(place, []))
        error = "not measured" if score is None else f"AbsRel {score.absrel:.3f}, delta1 {score.delta1:.3f}"
        console.print(f"depth in the {place}: {error}")
    inside = median(e.latency_ms for e in findings.exchanges)
    if findings.perception_hz is not None:
        console.print(f"perception {findings.perception_hz:.1f} Hz")
    console.print(
        f"answer p50 {median(e.round_trip_ms for e in findings.exchanges):.0f} ms through the service "
        f"({inside:.0f} ms of it in the node)"
    )


def _share(exchanges: Sequence[Exchange]) -> str:
    return f"{sum(e.right for e in exchanges)}/{len(exchanges)}" if exchanges else "-"


# ------------------------------------------------------------------------------------------------------- on the disk


def write_pictures(folder: Path, view: View) -> None:
    """annotated.png, depth.png, top_down.png, and overview.png with the three side by side."""
    annotated = draw_scene(view.image, view.seen, view.answer, question=view.exchange.question)
    plan = top_down(view.seen, view.truth)
    pictures = {"annotated": annotated, "top_down": plan}
    if view.seen.depth is not None:
        near, far = depth_range(view.truth.depth if view.truth.depth is not None else view.seen.depth)
        pictures["depth"] = depth_picture(view.seen.depth, near=near, far=far)
    order = [name for name in ("annotated", "depth", "top_down") if name in pictures]
    captions = {"depth": ["depth as the student sees it"], "top_down": ["from above; outlines: the truth"]}
    panels = [with_caption(pictures[n], captions[n]) if n in captions else pictures[n] for n in order]
    pictures["overview"] = tiled(panels, columns=3)
    for name, picture in pictures.items():
        (folder / f"{name}.png").write_bytes(encode_png(picture))


def depth_range(depth: FloatArray) -> tuple[float, float]:
    import numpy as np

    known = depth[np.isfinite(depth) & (depth > 0)]
    return (float(np.percentile(known, 1)), float(np.percentile(known, 99))) if known.size else (0.0, 5.0)


def write_findings(folder: Path, findings: Findings) -> None:
    text = json.dumps(findings.to_dict(), indent=1)
    (folder / "answers.json").write_text(text + "\n", encoding="utf-8")
