"""How good a student is in rooms that it never saw: answers against geometry, beside what others would answer."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from distill3d_ros.engine.engine import Engine
from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.phrasing import phrase
from distill3d_ros.questions.question import Question, is_correct
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.scene.frame import Frame
from distill3d_ros.scene.objects import Scene
from distill3d_ros.training.data.manifest import manifest_sha256
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.data.shards import ShardReader
from distill3d_ros.training.evaluation.baselines import Baselines
from distill3d_ros.training.evaluation.detections import with_all_boxes
from distill3d_ros.training.evaluation.lenses import lens_figures
from distill3d_ros.training.evaluation.metrics import depth_score
from distill3d_ros.training.evaluation.question_sets import chosen_splits, has_objects, question_set
from distill3d_ros.training.evaluation.reference_evaluation import reference_figures
from distill3d_ros.training.evaluation.report import write_report
from distill3d_ros.training.evaluation.several_views import view_figures
from distill3d_ros.training.evaluation.tallies import PerceptionTally, QuestionTally, figures, latency, outcomes
from distill3d_ros.training.evaluation.teacher_comparison import (
    TeacherBeside,
    TeacherMarks,
    teacher_description,
    teacher_figures,
)
from distill3d_ros.worlds.furniture.pack import FurniturePack

HELD_OUT_SHARE = 0.25
"""So many questions are asked again in wordings that training never used."""


def evaluate(
    model: str | Path | None,
    data: str | Path,
    out: str | Path,
    *,
    seed: int = 0,
    splits: Sequence[str] | None = None,
    train_data: str | Path | None = None,
    questions: int = 2000,
    frames: int = 600,
    lens_rooms: int = 0,
    view_scenes: int = 0,
    references: int = 0,
    teacher: str | Path | None = None,
    camera_height: bool = False,
    device: str = "auto",
    threads: int | None = None,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measures a student and writes ``report.md`` and ``report.json`` into ``out``; returns the latter's content.

    Args:
        model: folder of the student; None is the one that comes with the package.
        splits: which are measured; the test splits that the folder has unless given.
        train_data: folder whose training split the baselines learn from, unless it is ``data``. Where there is no
            training split they stay out of the report, and it says so.
        questions: how many are asked in each split, balanced so that their names do not give the answers away.
        frames: at most so many frames of each split are looked at, evenly spread.
        lens_rooms: so many rooms are rendered through three lenses (see ``lenses``); needs the furniture.
        view_scenes: in so many rooms of each split, several frames are looked at together (see ``several_views``).
        references: so many questions a split tell which of several things of a name they mean (see ``referring``).
        teacher: folder of a model of the student's family that is asked the same (see ``against_teacher``).
        camera_height: tell the student how high above the floor each frame was taken (see ``scene.floor``).

    Raises:
        ValueError: a folder lacks a split or cannot be read.
        ImportError: a library of the text metrics is missing, which a comparison with a teacher needs.
    """
    began = time.monotonic()
    data, out = Path(data), Path(out)
    splits = chosen_splits(data, splits)
    engine = Engine.from_pretrained(model, device=device, threads=threads)
    report(engine.describe())
    engine.warm_up()
    beside = None
    if teacher is not None:
        beside = TeacherBeside(Engine.from_pretrained(teacher, device=device, threads=threads))
        report(f"teacher: {beside.engine.describe()}")
        beside.engine.warm_up()
    baselines = Baselines.learned(data, None if train_data is None else Path(train_data), seed)
    report(baselines.describe())
    every, seen_in_all, compared_in_all = QuestionTally(), PerceptionTally(), TeacherMarks()
    result: dict[str, Any] = {"splits": {}}
    for split in splits:
        reader = ShardReader(data, split)
        marks, seen, compared = _split(
            engine,
            reader,
            baselines,
            beside,
            seed=seed,
            questions=questions,
            frames=frames,
            camera_height=camera_height,
            report=report,
        )
        result["splits"][split] = figures(marks, seen) | {"outcomes": outcomes(marks)}
        if beside is not None:
            result["splits"][split]["teacher"] = teacher_figures(compared, seed=seed)
        if view_scenes:
            result["splits"][split]["several_views"] = view_figures(engine, reader, scenes=view_scenes)
        if references:
            picked = evenly_spaced(len(reader), frames)
            told = reference_figures(engine, reader, picked, questions=references, seed=seed)
            result["splits"][split]["references"] = told
        every.extend(marks)
        seen_in_all.extend(seen)
        compared_in_all.extend(compared)
    result = {**figures(every, seen_in_all), **result}
    if beside is not None:
        described = teacher_description(beside.engine, compared_in_all, latency(seen_in_all))
        result["teacher"] = teacher_figures(compared_in_all, seed=seed) | described
    if lens_rooms:
        report(f"the same views through several lenses, in {lens_rooms} rooms")
        result["lenses"] = lens_figures(engine, FurniturePack.load(), rooms=lens_rooms, seed=seed)
    result |= {
        "latency_ms": latency(seen_in_all),
        "device": engine.device_name,
        "depth_given": engine.student.takes_depth,
        "model_sha256": engine.model_sha256,
        "manifest_sha256": manifest_sha256(data),
        "recipe": dict(reader.manifest.recipe),
        "camera_height": camera_height,
        "baselines": baselines.to_dict(),
        "seed": seed,
        "command": shlex.join(["distill3d", *sys.argv[1:]]),
        "seconds": round(time.monotonic() - began, 1),
    }
    write_report(result, out)
    report(f"report written to {out / 'report.md'}")
    return result


def _split(
    engine: Engine,
    reader: ShardReader,
    baselines: Baselines,
    beside: TeacherBeside | None,
    *,
    seed: int,
    questions: int,
    frames: int,
    camera_height: bool,
    report: Callable[[str], None],
) -> tuple[QuestionTally, PerceptionTally, TeacherMarks]:
    picked = evenly_spaced(len(reader), frames)
    if has_objects(reader, picked):
        asked = question_set(reader, picked, questions, seed)
        number = sum(map(len, asked.values()))
        report(f"{reader.split}: {number} questions about {len(asked)} of {len(picked)} frames")
    else:
        asked = {}
        report(f"{reader.split}: no objects are marked in its frames, so only depth is measured, on {len(picked)}")
    rng = np.random.default_rng([seed, 3])
    marks, seen, compared = QuestionTally(), PerceptionTally(), TeacherMarks()
    before: Scene | None = None
    told = 0
    for count, i in enumerate(picked, start=1):
        sample = reader[i]
        if camera_height:
            sample = replace(sample, frame=told_its_height(sample.frame))
            told += sample.frame.camera_height is not None
        t0 = time.perf_counter()
        scene = engine.perceive(sample.frame)
        seen.perceive_ms.append(1e3 * (time.perf_counter() - t0))
        _look(engine, sample, scene, seen)
        said: list[Answer] = []
        if asked.get(i):
            true = replace(sample.scene, contacts=None, gaps=None, supports=None)
            rows = {
                "rules": [answer_by_rules(q, scene) for q in asked[i]],
                **{name: [model.answer(q.fact) for q in asked[i]] for name, model in baselines.models.items()},
                "rules_on_true_boxes": [answer_by_rules(q, true) for q in asked[i]],
            }
            said = _mark(engine, asked[i], scene, before, rows, marks, rng)
            marks.frames += [sample.key] * len(said)
            t0 = time.perf_counter()
            engine.ask(scene, asked[i][0].text)
            seen.ask_ms.append(1e3 * (time.perf_counter() - t0))
        if beside is not None:
            beside.answer(sample, asked.get(i, []), said, compared)
        before = scene
        if count % 100 == 0 or count == len(picked):
            done = marks.right["language"]
            right = f", right so far {np.mean(done):.3f}" if done else ""
            report(f"{reader.split}: {count}/{len(picked)} frames{right}")
    if camera_height:
        report(f"{reader.split}: the height of the camera is known in {told} of {len(picked)} frames")
        if not told:
            raise ValueError(
                "--camera-height needs frames whose pose is known, as those of simulated rooms and of ScanNet are, and "
                "of `data import rgbd --floor` where the floor is in sight; leave it out for these data"
            )
    return marks, seen, compared


def _look(engine: Engine, sample: Any, scene: Scene, seen: PerceptionTally) -> None:
    """Depth and boxes of one frame."""
    true = np.asarray(sample.scene.depth)
    seen.depth.append(depth_score(np.asarray(scene.depth), true))
    seen.scaled.append(depth_score(np.asarray(scene.depth), true, median_scaled=True))
    seen.found.append(with_all_boxes(engine, scene))
    seen.true.append(replace(sample.scene, depth=None))


def _mark(
    engine: Engine,
    asked: Sequence[Question],
    scene: Scene,
    other: Scene | None,
    rows: dict[str, list[Answer]],
    marks: QuestionTally,
    rng: np.random.Generator,
) -> list[Answer]:
    """Asks a frame's questions and marks every row's answers; returns the student's."""
    said = engine.ask_many(scene, [q.text for q in asked])
    elsewhere = said if other is None else engine.ask_many(other, [q.text for q in asked])
    again = [(n, phrase(q.fact, rng, held_out=True)) for n, q in enumerate(asked) if rng.random() < HELD_OUT_SHARE]
    said_again, as_worded = (
        engine.ask_many(scene, [q.text for _, q in again], as_worded=literally) for literally in (False, True)
    )
    for n, question in enumerate(asked):
        marks.questions.append(question)
        marks.right["language"].append(is_correct(question, said[n]))
        marks.right["wrong_image"].append(is_correct(question, elsewhere[n]))
        marks.confidence.append(said[n].confidence)
        marks.by_language += said[n].source == "language"
        for row, answers in rows.items():
            marks.right[row].append(is_correct(question, answers[n]))
    for (n, question), answer, literal in zip(again, said_again, as_worded, strict=True):
        marks.held_out.append(is_correct(question, answer))
        marks.held_out_as_worded.append(is_correct(question, literal))
        marks.same_facts.append(is_correct(asked[n], said[n]))
    return said


def told_its_height(frame: Frame) -> Frame:
    """The frame with the height of its camera above the floor, which is z = 0 in a data set's rooms, if it has a pose.

    Raises:
        ValueError: its pose is below the floor.
    """
    if frame.world_from_camera is None:
        return frame
    return replace(frame, camera_height=float(frame.world_from_camera[2, 3]))
