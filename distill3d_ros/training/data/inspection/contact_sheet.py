"""A sheet to look at: samples with their boxes, ids and depth, and questions with the answers that geometry gives."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from distill3d_ros.engine.box_decoding import filter_by_score
from distill3d_ros.engine.engine import Engine
from distill3d_ros.pictures.drawing import depth_picture, draw_scene, id_picture
from distill3d_ros.pictures.sheets import Picture, encode_png, tiled, with_caption
from distill3d_ros.questions.ground_truth.balancing import is_absent
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.phrasing import phrase
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.scene.annotation import EVERYTHING
from distill3d_ros.scene.objects import Scene
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardReader

QUESTIONS = 3
PICTURE_WIDTH = 448
"""Pixels; smaller pictures are enlarged to it, since names drawn into 224 pixels cannot be read."""


def contact_sheet(reader: ShardReader, out: Path, *, count: int, seed: int, model: Path | str | None = None) -> None:
    """Write a PNG that shows ``count`` samples, drawn at random: each frame with its boxes, ids and depth.

    With a ``model`` the sheet shows what this student sees: its boxes and depth beside the true ones.
    """
    rng = np.random.default_rng(seed)
    picked = sorted(rng.choice(len(reader), min(count, len(reader)), replace=False).tolist())
    samples = [reader[number] for number in picked]
    if model is None:
        sheet = tiled([_row(sample, _questions(sample, rng)) for sample in samples], columns=2)
    else:
        engine = Engine.from_pretrained(model)
        sheet = tiled([_seen_row(sample, engine) for sample in samples], columns=1)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, encode_png(sheet))


def _questions(sample: Sample, rng: np.random.Generator) -> list[str]:
    """A few lines: questions of different families and what geometry answers."""
    by_family: dict[str, dict[str, list[GroundTruthQA]]] = defaultdict(lambda: defaultdict(list))
    for fact in question_candidates(sample.scene):
        if is_absent(fact):  # "I do not see a lamp": as many as there are names, and nothing to check in the picture
            continue
        by_family[KINDS[fact.kind].family][fact.kind].append(fact)
    lines = []
    for family in rng.permutation(list(by_family))[:QUESTIONS]:
        kinds = list(by_family[family].values())
        of_kind = kinds[int(rng.integers(len(kinds)))]
        fact = of_kind[int(rng.integers(len(of_kind)))]
        lines.append(f"{phrase(fact, rng).text}  >  {fact.answer.text}")
    return lines


def _row(sample: Sample, questions: list[str]) -> Picture:
    image, scene = sample.frame.image, sample.scene
    assert scene.depth is not None  # Sample checks it
    views = [
        draw_scene(image, scene, least_width=PICTURE_WIDTH),
        id_picture(image, sample.ids, scene, least_width=PICTURE_WIDTH),
        depth_picture(scene.depth, least_width=PICTURE_WIDTH),
    ]
    angle = np.degrees(scene.intrinsics.horizontal_fov)
    title = ", ".join(filter(None, (f"{sample.key}: {sample.room_type}", f"{angle:.0f} degrees wide", _unusual(scene))))
    return with_caption(np.hstack(views), [title, *questions])


def _unusual(scene: Scene) -> str:
    """What of a real frame is not as in a simulated room; empty for these."""
    told, rooms = scene.annotation, EVERYTHING
    words = [
        f"{name} {getattr(told, name)}" for name in ("depth", "boxes") if getattr(told, name) != getattr(rooms, name)
    ]
    return ", ".join(words + [f"no {name}" for name in ("masks", "gravity") if not getattr(told, name)])


def _seen_row(sample: Sample, engine: Engine) -> Picture:
    """The student's perception beside the truth; depth in one scale."""
    true, seen = sample.scene, filter_by_score(engine.perceive(sample.frame))
    assert true.depth is not None
    assert seen.depth is not None
    known = np.asarray(true.depth)[np.isfinite(true.depth) & (true.depth > 0)]
    near, far = (float(d) for d in np.percentile(known, (1, 99))) if known.size else (None, None)
    views = [draw_scene(sample.frame.image, scene, least_width=PICTURE_WIDTH) for scene in (seen, true)]
    views += [
        depth_picture(np.asarray(scene.depth), near=near, far=far, least_width=PICTURE_WIDTH) for scene in (seen, true)
    ]
    return with_caption(np.hstack(views), [f"{sample.key}: boxes seen, true boxes, depth seen, true depth"])
