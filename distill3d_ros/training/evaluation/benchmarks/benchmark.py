"""Evaluation of a student on a published set of questions: ``distill3d benchmark``, see docs/benchmarks.md."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from distill3d_ros.engine.engine import Engine
from distill3d_ros.student.config import MAX_VIEWS
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.data.importers.published_files import SourceError, missing_files_error
from distill3d_ros.training.data.importers.scannet.scan_files import ScanFiles
from distill3d_ros.training.data.reading import evenly_spaced
from distill3d_ros.training.evaluation.benchmarks.benchmark_options import BenchmarkOptions
from distill3d_ros.training.evaluation.benchmarks.marking import Mark, figures, mark
from distill3d_ros.training.evaluation.benchmarks.question import BenchmarkQuestion, QuestionSet
from distill3d_ros.training.evaluation.benchmarks.scan_views import scan_views
from distill3d_ros.training.evaluation.benchmarks.scanqa import read_scanqa
from distill3d_ros.training.evaluation.benchmarks.sqa3d import read_sqa3d
from distill3d_ros.training.evaluation.benchmarks.tables import markdown
from distill3d_ros.training.evaluation.benchmarks.vsi_bench import read_vsi_bench
from distill3d_ros.training.evaluation.report import write_both

ANSWERS_NAME = "answers.jsonl"


def run_benchmark(options: BenchmarkOptions, *, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Write ``report.md``, ``report.json`` and ``answers.jsonl``; returns the content of the second.

    Each scan is perceived once, and then asked about.

    Args:
        options: the questions and the scans; ``scan_views`` says which frames of a scan are looked at.
        report: called with a line of text after each scan.

    Raises:
        SourceError: a file is missing (the message names all of them), damaged, or not as published.
        ValueError: an argument is out of range.
    """
    frames = options.frames
    if not 1 <= frames <= MAX_VIEWS:
        raise ValueError(f"frames must be between 1 and {MAX_VIEWS}. Got {frames}")
    began, out, scans = time.monotonic(), Path(options.out), Path(options.scans)
    found = read_questions(options.name, options.questions, options.annotations)
    asked = _chosen(found, scans, options.count, options.skip_missing)
    by_scan: dict[str, list[BenchmarkQuestion]] = defaultdict(list)
    for question in asked.questions:
        by_scan[question.scan].append(question)
    files = [ScanFiles(scans / scan) for scan in sorted(by_scan)]
    if absent := [file for scan in files for file in scan.missing_for_views()]:
        raise missing_files_error(absent)
    out.mkdir(parents=True, exist_ok=True)
    engine = Engine.from_pretrained(
        options.model,
        device=options.device,
        threads=options.threads,
        backend=options.backend,
        execution_provider=options.execution_provider,
    )
    report(engine.describe())
    report(f"{asked.name}: {len(asked.questions)} questions about {len(files)} scans")
    marks: dict[str, Mark] = {}
    for number, scan in enumerate(files, start=1):
        own = by_scan[scan.name]
        marks |= {m.id: m for m in _marks_of_scan(engine, scan, own, frames)}
        understood = sum(marks[question.id].understood for question in own)
        report(f"{scan.name}: {len(own)} questions, {understood} understood; {number} of {len(files)} scans")
    result = {
        "benchmark": asked.name,
        "scans": len(files),
        **figures(asked, marks),
        "skipped": dict(asked.skipped),
        "frames": frames,
        "questions_sha256": asked.sha256,
        "model_sha256": engine.model_sha256,
        "device": engine.device_name,
        "command": shlex.join(["distill3d", *sys.argv[1:]]),
        "seconds": round(time.monotonic() - began, 1),
    }
    lines = "".join(json.dumps(marks[question.id].to_dict()) + "\n" for question in asked.questions)
    write_whole(out / ANSWERS_NAME, lines)
    write_both(result, markdown(result), out)
    report(f"report written to {out / 'report.md'}")
    return result


def read_questions(name: str, path: Path | str, annotations: Path | str | None = None) -> QuestionSet:
    """The questions of a published file; ``annotations`` is SQA3D's second one.

    Raises:
        SourceError: a file is missing or not as published.
        ValueError: there is no reader of this name, or the set has no second file.
    """
    if name == "sqa3d":
        return read_sqa3d(path, annotations)
    if annotations is not None:
        raise ValueError(f"annotations are a file of sqa3d; {name} has its answers beside its questions")
    readers = {"scanqa": read_scanqa, "vsi-bench": read_vsi_bench}
    if name not in readers:
        raise ValueError(f"the benchmark must be scanqa, sqa3d or vsi-bench. Got {name!r}")
    return readers[name](path)


def _chosen(found: QuestionSet, scans: Path, count: int | None, skip_missing: bool) -> QuestionSet:
    """Those of the questions that are to be asked."""
    questions, skipped = found.questions, dict(found.skipped)
    if skip_missing:
        questions = tuple(q for q in questions if (scans / q.scan).is_dir())
        if left_out := len(found.questions) - len(questions):
            skipped["about scans that are not there"] = left_out
        if not questions:
            raise SourceError(f"{scans} has none of the scans of {found.name}, such as {found.questions[0].scan}")
    if count is not None and count < len(questions):
        skipped["to ask fewer (--count)"] = len(questions) - count
        questions = tuple(questions[i] for i in evenly_spaced(len(questions), count))
    return replace(found, questions=questions, skipped=skipped)


def _marks_of_scan(engine: Engine, scan: ScanFiles, questions: list[BenchmarkQuestion], frames: int) -> Iterator[Mark]:
    scene = engine.perceive(scan_views(scan, frames))
    for question, answer in zip(questions, engine.ask_many(scene, [q.text for q in questions]), strict=True):
        yield mark(question, answer)
