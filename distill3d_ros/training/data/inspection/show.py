"""Pictures of ``distill3d data show``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distill3d_ros.training.data.inspection.contact_sheet import contact_sheet
from distill3d_ros.training.data.inspection.frame_grid import frame_grid
from distill3d_ros.training.data.inspection.relation_cases import case_sheet
from distill3d_ros.training.data.manifest import ShardError
from distill3d_ros.training.data.shards import ShardReader


def show(
    data: Path | str,
    out: Path | str,
    *,
    split: str = "train",
    count: int = 12,
    seed: int = 0,
    model: Path | str | None = None,
    plain: bool = False,
    relations: Sequence[str] | None = None,
) -> None:
    """Write a sheet of ``count`` samples, or with ``relations`` cases, to ``out``.

    Args:
        model: what this student sees, beside the truth (see ``contact_sheet``).
        plain: colour only, evenly over the types of rooms (see ``frame_grid``).
        relations: claims about two things to check by eye (see ``case_sheet``).

    Raises:
        ShardError: the folder has no sample of this split.
        ValueError: ``count`` is below 1, an argument is unknown, or two ways are wanted at once.
    """
    ways = {"model": model is not None, "plain": plain, "relations": bool(relations)}
    if sum(ways.values()) > 1:
        given = ", ".join(way for way, wanted in ways.items() if wanted)
        raise ValueError(f"only one of {', '.join(ways)} may be given. Got {given}")
    if count < 1:
        raise ValueError(f"count must be at least 1. Got {count}")
    reader, out = ShardReader(data, split), Path(out)
    if not len(reader):
        raise ShardError(f"{data} has no frames of split {split!r} yet; make some with `distill3d data generate`")
    if relations:
        case_sheet(reader, out, relations=relations, count=count, seed=seed)
    elif plain:
        frame_grid(reader, out, count=count, seed=seed)
    else:
        contact_sheet(reader, out, count=count, seed=seed, model=model)
