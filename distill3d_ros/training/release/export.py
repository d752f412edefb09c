"""Export of a trained student for release: weights of half the size, and a model card with its measured figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from distill3d_ros.student.checkpoint import load_student, read_description, save_student
from distill3d_ros.student.config import SegmentationConfig
from distill3d_ros.student.student import Student
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.config import PERCEPTION_PARTS
from distill3d_ros.training.evaluation.evaluation_options import ExportOptions
from distill3d_ros.training.release.learned_from import learned_from
from distill3d_ros.training.release.model_card import model_card
from distill3d_ros.training.start.growth import grow

CARD, REPORT = "README.md", "report.json"


def export_student(options: ExportOptions) -> Path:
    """Writes the student of a run's last stage, the one that was written last, as float16 with the history of all.

    ``options.earlier`` is the student that the run's perception went on from: its perception is mixed in by
    ``options.earlier_share`` (see ``mixed_perception``).

    Raises:
        ValueError: the run has no exported student yet; the two students differ in shape.
    """
    if options.run is None:
        raise ValueError("run must be the folder of a training run. Got none")
    students, out = _students(options.run), options.out
    student = load_student(students[-1])
    if options.earlier is not None:
        earlier = with_classes_of(student, load_student(options.earlier))
        mixed_perception(student, earlier, options.earlier_share)
    card = {
        "stages": _history(options.earlier_card) + [read_description(folder)["card"] for folder in students],
        "notes": options.notes,
    }
    if options.train_data:
        card["learned_from"] = learned_from(options.train_data)
    save_student(out, without_segmentation(student), card, dtype="float16")
    write_card(out)
    return out


def without_segmentation(student: Student) -> Student:
    """The same student without the head that only training uses."""
    if student.segmentation_head is None:
        return student
    config = replace(student.config, segmentation=SegmentationConfig())
    lean = Student(config, student.language.tokenizer)
    lean.load_state_dict({k: v for k, v in student.state_dict().items() if not k.startswith("segmentation_head.")})
    return lean.eval()


def with_classes_of(student: Student, earlier: Student) -> Student:
    """The earlier student as the later one began, where that was given more classes, or a head that only it has."""
    if earlier.config.labels == student.config.labels:
        return earlier
    grown = Student(student.config, earlier.language.tokenizer)
    grow(grown, earlier)
    return grown


@torch.no_grad()
def mixed_perception(student: Student, earlier: Student, share: float) -> None:
    """Averages the weights of what sees with those of a student from which it was trained on.

    Weights along one path of training often lie in one basin, and their average generalizes better than its ends
    (Wortsman et al., Model soups, ICML 2022). The language model stays as it is.

    Args:
        share: of the earlier student, above 0 and below 1; choose it on validation rooms.
    """
    if not 0 < share < 1:
        raise ValueError(f"the earlier student's share must lie between 0 and 1. Got {share:g}")
    for part in PERCEPTION_PARTS:
        own, other = getattr(student, part).state_dict(), getattr(earlier, part).state_dict()
        different = sorted(
            set(own) ^ set(other) | {n for n in own.keys() & other.keys() if own[n].shape != other[n].shape}
        )
        if different:
            raise ValueError(
                f"only students of one shape can be mixed; {part} differs in {', '.join(different[:4])}. "
                "Give the student that this run went on from"
            )
        for name, value in own.items():
            if value.is_floating_point():
                value.lerp_(other[name].to(value), share)


def add_report(model: Path, report: Path | None, real: Path | None = None) -> None:
    """Puts the figures of ``report`` and ``real`` (folders that `distill3d evaluate` wrote) into the model's card.

    Args:
        real: on real pictures; comes first.

    Raises:
        ValueError: a report is about other weights, or ``real`` is about rendered pictures.
    """
    texts = []
    if real is not None:
        if not any("real" in part for part in _checked_result(model, real)["splits"].values()):
            raise ValueError(f"real_report must be an evaluation on real pictures; give {real} as --report")
        texts.append((real / "report.md").read_text().replace("# Evaluation", "# Evaluation on real pictures", 1))
    if report is not None:
        _checked_result(model, report)
        texts.append((report / "report.md").read_text())
    write_card(model, "\n".join(texts))


def _checked_result(model: Path, report: Path) -> dict[str, Any]:
    """The figures of a report, which must be about the model's weights."""
    result: dict[str, Any] = json.loads((report / REPORT).read_text())
    weights = read_description(model)["sha256"]["model.safetensors"]
    if result["model_sha256"] != weights:
        raise ValueError(
            f"{report / REPORT} is about the weights {result['model_sha256'][:16]}, but {model} holds {weights[:16]}; "
            f"run `distill3d evaluate --model {model}` first"
        )
    return result


def write_card(model: Path, report: str = "") -> None:
    """Writes the model card."""
    description = read_description(model)
    write_whole(model / CARD, model_card(description, report))


def _history(earlier: Path | None) -> list[dict[str, Any]]:
    """The stages that the student went through that a run started from."""
    return [] if earlier is None else list(read_description(earlier)["card"].get("stages", []))


def _students(run: Path) -> list[Path]:
    """The students of a run's stages in the order in which they were written."""
    written = [description for description in run.glob("*/student/config.json") if description.is_file()]
    if not written:
        raise ValueError(f"{run} holds no student yet: none of its stages has written its first checkpoint")
    return [description.parent for description in sorted(written, key=lambda file: file.stat().st_mtime)]
