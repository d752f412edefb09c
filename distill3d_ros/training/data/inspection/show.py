"""Pictures of ``distill3d data show``."""

from __future__ import annotations

from pathlib import Path

from distill3d_ros.training.data.inspection.contact_sheet import contact_sheet
from distill3d_ros.training.data.inspection.frame_grid import frame_grid
from distill3d_ros.training.data.inspection.inspection_options import ShowOptions
from distill3d_ros.training.data.inspection.relation_cases import case_sheet
from distill3d_ros.training.data.manifest import ShardError
from distill3d_ros.training.data.shards import ShardReader


def show(options: ShowOptions) -> None:
    """Draw what ``options`` say: a contact sheet, a grid of frames, or cases of relations.

    Raises:
        ShardError: the folder has no sample of this split.
        ValueError: a relation is unknown.
    """
    count, seed, out = options.count, options.seed, Path(options.out)
    reader = ShardReader(options.data, options.split)
    if not len(reader):
        raise ShardError(
            f"{options.data} has no frames of split {options.split!r} yet; make some with `distill3d data generate`"
        )
    if options.relations:
        case_sheet(reader, out, relations=options.relations, count=count, seed=seed)
    elif options.plain:
        frame_grid(reader, out, count=count, seed=seed)
    else:
        contact_sheet(reader, out, count=count, seed=seed, model=options.model)
