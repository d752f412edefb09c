"""Statistics of a data set, in numbers and as a picture: labels, models, depths, lenses, questions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.questions.ground_truth.balancing import answer_class, balanced, is_absent
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kind_record import FAMILIES
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.scene.annotation import Annotation
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.data.manifest import ShardError
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.data.shards import ShardReader

DEPTH_FRAMES = 200
"""Depth images that are read; their pixels come from the same spread of frames as everything else."""
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)


@dataclass(kw_only=True, slots=True)
class KindStats:
    """Questions of one kind."""

    askable: int = 0
    """Facts with a clear answer."""
    commonest: float = 0.0
    """Share of the commonest answer among them: what a guesser reaches before they are balanced."""
    pairs: int = 0
    """Different names or pairs of names that they are about."""
    balanced: int = 0
    """How many are left of them when names alone tell nothing."""


@dataclass(kw_only=True, slots=True)
class DataStats:
    """Of one split."""

    split: str
    frames: int
    """In the split."""
    rooms: int
    scenes: int
    """Frames that were looked at."""
    room_types: dict[str, int] = field(default_factory=dict)
    objects: dict[str, int] = field(default_factory=dict)
    """Label -> how many are in view."""
    frames_with: dict[str, int] = field(default_factory=dict)
    marked_in: dict[str, int] = field(default_factory=dict)
    """Label -> frames in which its things would have been marked; in the others nobody looked for them."""
    known: dict[str, int] = field(default_factory=dict)
    """What is known -> frames of which it is: how depth was made, the extent of boxes, masks, gravity."""
    unknown_pixels: list[float] = field(default_factory=list)
    """Share of a frame's pixels of which nobody said what they show."""
    depth_holes: list[float] = field(default_factory=list)
    """Share of a frame's pixels without depth."""
    designs: dict[str, int] = field(default_factory=dict)
    """Label -> different models among them."""
    objects_a_frame: list[int] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)
    """Metres from the camera to the objects' centres."""
    horizontal_fov: list[float] = field(default_factory=list)
    """Degrees."""
    pitch: list[float] = field(default_factory=list)
    """Degrees, up is positive."""
    depth: list[float] = field(default_factory=list)
    """Metres, of a sample of pixels."""
    kinds: dict[str, KindStats] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON types; lists of measurements as quantiles."""
        measured = (
            "objects_a_frame",
            "distance",
            "horizontal_fov",
            "pitch",
            "depth",
            "unknown_pixels",
            "depth_holes",
        )
        counted = ("room_types", "objects", "frames_with", "marked_in", "known", "designs")
        plain = ("split", "frames", "rooms", "scenes", *counted)
        kinds = {
            name: {"askable": k.askable, "commonest": k.commonest, "pairs": k.pairs, "balanced": k.balanced}
            for name, k in self.kinds.items()
        }
        return {name: getattr(self, name) for name in plain} | {
            **{name: quantiles(getattr(self, name)) for name in measured},
            "kinds": kinds,
        }


def quantiles(values: list[float] | list[int]) -> dict[str, float]:
    """Quantile -> value; empty for no values."""
    if not values:
        return {}
    return {f"{q:g}": float(v) for q, v in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)}


def data_stats(folder: Path | str, split: str = "train", *, scenes: int = 1500, seed: int = 0) -> DataStats:
    """Counts what a split holds.

    Args:
        scenes: at most so many frames are looked at, evenly spread.

    Raises:
        ShardError: the folder is no data set, damaged, or has no frame of this split.
    """
    reader = ShardReader(folder, split)
    if not len(reader):
        raise ShardError(f"{folder} has no frames of split {split!r}; it has {_there(reader)}")
    picked = sorted({round(i) for i in np.linspace(0, len(reader) - 1, min(scenes, len(reader)))})
    stats = DataStats(
        split=split,
        frames=len(reader),
        rooms=sum(shard.rooms for shard in reader.shards),
        scenes=len(picked),
    )
    objects, frames_with, types = Counter[str](), Counter[str](), Counter[str]()
    marked_in, known_of = Counter[str](), Counter[str]()
    models: dict[str, set[str]] = {}
    asked: list[tuple[int, GroundTruthQA]] = []
    deep = set(picked[:: max(1, len(picked) // DEPTH_FRAMES)])
    rng = np.random.default_rng(seed)
    for i in picked:
        scene = reader.scene(i)
        labels = [o.label for o in scene.objects]
        objects.update(labels)
        frames_with.update(set(labels))
        marked_in.update(scene.annotation.marked_classes())
        known_of.update(_known(scene.annotation))
        for o in scene.objects:
            models.setdefault(o.label, set()).add(o.model or f"{i}/{o.id}")
        stats.objects_a_frame.append(len(labels))
        if scene.annotation.depth != "none":  # else boxes have a direction and no distance
            stats.distance += [float(np.linalg.norm(o.box.center)) for o in scene.objects]
        stats.horizontal_fov.append(float(np.degrees(scene.intrinsics.horizontal_fov)))
        if scene.annotation.gravity:
            stats.pitch.append(float(np.degrees(np.arcsin(np.clip(-scene.level_from_optical[1, 2], -1, 1)))))
        asked += [(i, fact) for fact in question_candidates(scene)]
        if i in deep:
            sample = reader[i]
            types[sample.room_type] += 1
            depth = np.asarray(sample.scene.depth, float)
            known = depth[np.isfinite(depth) & (depth > 0)]
            stats.depth_holes.append(1 - known.size / depth.size)
            stats.unknown_pixels.append(float((sample.ids == UNKNOWN_ID).mean()))
            stats.depth += rng.choice(known, min(500, known.size), replace=False).tolist() if known.size else []
    stats.objects = {label: objects[label] for label in LABELS if objects[label]}
    stats.frames_with = {label: frames_with[label] for label in stats.objects}
    stats.marked_in = {label: marked_in[label] for label in LABELS if marked_in[label]}
    stats.known = dict(sorted(known_of.items()))
    stats.designs = {label: len(models[label]) for label in stats.objects}
    stats.room_types = dict(sorted(types.items()))
    stats.kinds = _kinds(asked, rng)
    return stats


def _known(annotation: Annotation) -> list[str]:
    told = [f"depth {annotation.depth}", f"boxes {annotation.boxes}"]
    return told + [name for name in ("masks", "gravity") if getattr(annotation, name)]


def _there(reader: ShardReader) -> str:
    counts = {split: reader.manifest.frames(split) for split in reader.manifest.planned_rooms}
    return ", ".join(f"{n} of {split}" for split, n in counts.items() if n) or "none at all"


def _kinds(asked: list[tuple[int, GroundTruthQA]], rng: np.random.Generator) -> dict[str, KindStats]:
    by_kind: dict[str, list[GroundTruthQA]] = {kind: [] for kind in KINDS}
    for _, fact in asked:
        if not is_absent(fact):
            by_kind[fact.kind].append(fact)
    left = Counter(fact.kind for _, fact in balanced(asked, rng) if not is_absent(fact))
    found = {}
    for kind, members in by_kind.items():
        answers = Counter(answer_class(fact) for fact in members)
        found[kind] = KindStats(
            askable=len(members),
            commonest=max(answers.values()) / len(members) if members else 0.0,
            pairs=len({fact.group for fact in members}),
            balanced=left[kind],
        )
    return found


def print_stats(stats: DataStats) -> None:
    """Tables for a terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"{stats.split}: {stats.frames:,} frames of {stats.rooms:,} rooms; {stats.scenes:,} looked at")
    types = ", ".join(f"{name or 'unknown'} {count}" for name, count in stats.room_types.items())
    console.print(f"types of rooms among {sum(stats.room_types.values()):,} of them: {types}")
    known = ", ".join(f"{name} {count}" for name, count in stats.known.items())
    console.print(f"known of the frames that were looked at: {known}")
    measured = Table("", *(f"{100 * q:g} %" for q in QUANTILES), title="quantiles")
    for title, name in (
        ("objects in view", "objects_a_frame"),
        ("their distance, m", "distance"),
        ("depth, m", "depth"),
        ("share without depth", "depth_holes"),
        ("share that nobody named", "unknown_pixels"),
        ("horizontal field of view, degrees", "horizontal_fov"),
        ("pitch, degrees", "pitch"),
    ):
        measured.add_row(title, *(f"{v:.2f}" for v in quantiles(getattr(stats, name)).values()))
    console.print(measured)
    labels = Table("label", "objects", "frames", "marked in", "designs", title="in view")
    for label in sorted(stats.marked_in, key=lambda label: -stats.objects.get(label, 0)):
        counts = (stats.objects, stats.frames_with, stats.marked_in, stats.designs)
        labels.add_row(label, *(f"{of.get(label, 0):,}" for of in counts))
    console.print(labels)
    kinds = Table("family", "kind", "askable", "about", "commonest answer", "balanced", title="questions")
    for family in FAMILIES:
        for name, kind in stats.kinds.items():
            if KINDS[name].family == family:
                share = f"{100 * kind.commonest:.0f} %" if kind.askable else "-"
                kinds.add_row(family, name, f"{kind.askable:,}", f"{kind.pairs:,}", share, f"{kind.balanced:,}")
        kinds.add_section()
    console.print(kinds)


def plot_stats(stats: DataStats, picture: Path) -> None:
    """Eight panels: labels, designs, questions, their commonest answers; depth, distance, field of view, room types."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 4, figsize=(21, 11))
    labels = sorted(stats.objects, key=lambda label: stats.objects[label])
    for axis, values, title in (
        (axes[0, 0], stats.objects, "objects in view"),
        (axes[0, 1], stats.designs, "different designs"),
    ):
        axis.barh(labels, [values[label] for label in labels])
        axis.set_title(f"{title}, {stats.scenes} frames")
    kinds = [name for name in stats.kinds if stats.kinds[name].askable][::-1]
    axes[0, 2].barh(kinds, [stats.kinds[k].askable for k in kinds], color="lightgrey", label="askable")
    axes[0, 2].barh(kinds, [stats.kinds[k].balanced for k in kinds], label="balanced")
    axes[0, 2].set_xscale("log")
    axes[0, 2].legend(loc="lower right")  # the last kinds are rare, so it hides no bar
    axes[0, 2].set_title("questions")
    axes[0, 3].barh(kinds, [stats.kinds[k].commonest for k in kinds], color="lightgrey")
    axes[0, 3].set_xlim(0, 1)
    axes[0, 3].axvline(0.5, color="black", linewidth=0.6)
    axes[0, 3].set_title("share of the commonest answer, before balancing")
    axes[1, 3].barh(list(stats.room_types), list(stats.room_types.values()))
    axes[1, 3].set_title(f"types of rooms, {sum(stats.room_types.values())} frames")
    for axis, values_, title in (
        (axes[1, 0], stats.depth, "depth, m"),
        (axes[1, 1], stats.distance, "distance of objects, m"),
        (axes[1, 2], stats.horizontal_fov, "horizontal field of view, degrees"),
    ):
        axis.hist(values_, bins=40)
        axis.set_title(title)
    for axis in axes.flat:
        axis.tick_params(labelsize=5 if axis in (axes[0, 2], axes[0, 3]) else 7)
    figure.tight_layout()
    try:
        write_whole(picture, lambda path: figure.savefig(path, dpi=80, format="png"))
    finally:
        plt.close(figure)
