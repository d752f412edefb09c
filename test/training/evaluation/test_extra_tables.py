"""The extra tables of an evaluation: several lenses, several views of one place, one of several things of a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.data_samples import make_sample
from support.furniture_pack import real_pack
from support.random_student import random_student

from distill3d_ros.engine.engine import Engine
from distill3d_ros.scene.frame import Intrinsics
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.manifest import Manifest, write_manifest
from distill3d_ros.training.data.sample import SIMULATED_SPLITS, Sample
from distill3d_ros.training.data.shards import ShardReader, ShardWriter
from distill3d_ros.training.evaluation.lenses import _seen_from, lens_figures, lens_lines
from distill3d_ros.training.evaluation.reference_evaluation import ReferenceQuestions, reference_lines
from distill3d_ros.training.evaluation.several_views import view_figures, view_lines


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(random_student(), device="cpu")


def slanted_wall(lens: Intrinsics) -> np.ndarray:
    """Depth of the plane z = 2 + 0.3 x."""
    return (2 / (1 - 0.3 * lens.rays()[..., 0])).astype(np.float32)


def test_a_plane_is_the_same_plane_through_another_lens() -> None:
    wide, narrow = (Intrinsics.from_fov(width=224, height=224, horizontal_fov=f) for f in (1.4, 0.8))
    np.testing.assert_allclose(_seen_from(slanted_wall(wide), wide, narrow), slanted_wall(narrow), rtol=1e-3)


def test_lenses_are_compared_where_they_look_alike(engine: Engine) -> None:
    figures = lens_figures(engine, real_pack(), rooms=1, seed=3, degrees=(50, 70))
    assert figures["views"] >= 1
    narrow, wide = figures["lenses"]
    assert (narrow["degrees"], wide["degrees"]) == (50, 70)
    assert "ratio" not in narrow
    assert 0 < wide["ratio"]["low"] <= wide["ratio"]["median"] <= wide["ratio"]["high"]
    assert len([line for line in lens_lines(figures) if line.startswith(("| 50", "| 70"))]) == 2
    with pytest.raises(ValueError, match="one room or more"):
        lens_figures(engine, real_pack(), rooms=0, seed=3)


def test_several_views_are_looked_at_together(engine: Engine, tmp_path: Path) -> None:
    shards = []
    for split in SIMULATED_SPLITS:
        with ShardWriter(tmp_path, split=split, number=0, first_room=0, rooms=1) as writer:
            for n in range(2):
                writer.add(make_sample(f"{split}-000000-{n:02d}", split=split, seed=n))
        shards.append(writer.info)
    manifest = Manifest(recipe={"seed": 0}, planned_rooms=dict.fromkeys(SIMULATED_SPLITS, 1), shards=tuple(shards))
    write_manifest(tmp_path, manifest)
    reader = ShardReader(tmp_path, "val")
    figures = view_figures(engine, reader, scenes=5, numbers=(1, 2))
    assert figures["scenes"] == 1
    assert [row["frames"] for row in figures["numbers"]] == [1, 2]
    assert all(row["perceive_ms"] > 0 for row in figures["numbers"])
    assert len([line for line in view_lines(figures) if line.startswith(("| 1 |", "| 2 |"))]) == 2
    with pytest.raises(ValueError, match="no room of split 'val' has 8 frames"):
        view_figures(engine, reader, scenes=5)


class TwoChairs:
    """A data set of one frame."""

    split, keys = "val", ("val-000000-00",)

    def __init__(self) -> None:
        sample = make_sample(self.keys[0], split=self.split)
        chair, table = sample.scene.objects
        far = replace(chair, id=3, box=replace(chair.box, center=chair.box.center + np.array([2.5, 0, 3.0])))
        scene = replace(sample.scene, objects=(chair, table, far), contacts=None, gaps=None, supports=None)
        self.sample = replace(sample, scene=scene)

    def __getitem__(self, number: int) -> Sample:
        return self.sample

    def scene(self, number: int) -> Scene:
        return self.sample.scene


def test_questions_about_one_of_several_are_marked(engine: Engine) -> None:
    reader = TwoChairs()
    asked = ReferenceQuestions(reader, [0], number=30, seed=1)  # type: ignore[arg-type]
    asked.ask(engine, 0, engine.perceive(reader.sample.frame), reader.sample.scene)
    figures = asked.figures()
    assert figures["n"] > 5
    assert figures["rules_on_true_boxes"] == 1
    assert sum(row["n"] for row in figures["ways"].values()) == figures["n"]
    assert 0 <= figures["student"] <= 1
    assert reference_lines(figures)[-1].startswith(f"| **all** | {figures['n']} |")
    reader.sample = replace(reader.sample, scene=replace(reader.sample.scene, objects=()))
    with pytest.raises(ValueError, match="has no frame with two things of one name"):
        ReferenceQuestions(reader, [0], number=30, seed=1)  # type: ignore[arg-type]
