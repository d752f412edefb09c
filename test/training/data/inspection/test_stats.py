"""What ``distill3d data stats`` counts of frames of which not everything is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.data_samples import make_sample

from distill3d_ros.scene.annotation import EVERYTHING, Annotation
from distill3d_ros.training.data.inspection.contact_sheet import contact_sheet
from distill3d_ros.training.data.inspection.stats import data_stats, print_stats
from distill3d_ros.training.data.manifest import Manifest, write_manifest
from distill3d_ros.training.data.sample import UNKNOWN_ID
from distill3d_ros.training.data.shards import ShardReader, ShardWriter

CHAIRS = Annotation(depth="measured", boxes="visible", gravity=False, classes=frozenset({"chair"}))
PLAIN = Annotation(depth="none", boxes="none", masks=False, gravity=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A simulated frame, one with marked chairs and holes in its depth, and one of which nothing is known."""
    with ShardWriter(tmp_path, split="train", number=0, first_room=0, rooms=3) as writer:
        for i, annotation in enumerate((EVERYTHING, CHAIRS, PLAIN)):
            sample = make_sample(f"train-000000-{i:02d}", split="train", seed=i)
            depth, ids = np.asarray(sample.scene.depth).copy(), sample.ids.copy()
            scene = replace(sample.scene, annotation=annotation)
            if annotation is CHAIRS:
                depth[: len(depth) // 2], ids[: len(ids) // 4] = 0, UNKNOWN_ID
            if annotation is PLAIN:
                depth[:], ids[:] = 0, UNKNOWN_ID
                scene = replace(scene, objects=())
            writer.add(replace(sample, scene=replace(scene, depth=depth), ids=ids))
    assert writer.info is not None
    write_manifest(tmp_path, Manifest(recipe={}, planned_rooms={"train": 3}, shards=(writer.info,), complete=True))
    return tmp_path


def test_what_is_known_is_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stats = data_stats(folder, "train")
    assert stats.known == {
        "boxes amodal": 1, "boxes none": 1, "boxes visible": 1, "depth measured": 1, "depth none": 1,
        "depth rendered": 1, "gravity": 1, "masks": 2,
    }  # fmt: skip
    assert stats.marked_in["chair"] == 2
    assert stats.marked_in["lamp"] == 1, "nobody looked for lamps in the second frame"
    assert "mirror" not in stats.marked_in, "simulated rooms do not mark mirrors"
    assert stats.unknown_pixels == pytest.approx([0.0, 0.25, 1.0], abs=0.02)
    assert stats.depth_holes[1] == pytest.approx(0.5, abs=0.3)
    assert stats.depth_holes[2] == 1.0
    assert len(stats.pitch) == 1, "of the frame whose gravity is known"
    assert stats.to_dict()["marked_in"]["chair"] == 2
    print_stats(stats)
    printed = " ".join(capsys.readouterr().out.split())
    assert "boxes visible 1" in printed
    assert "marked in" in printed


def test_frames_without_depth_are_drawn(folder: Path) -> None:
    out = folder / "sheet.png"
    contact_sheet(ShardReader(folder, "train"), out, count=3, seed=0)
    assert out.stat().st_size > 1000
