"""The student that a stage begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.checkpoint import load_student, read_description
from distill3d_ros.student.config import StudentConfig
from distill3d_ros.student.heads.depth import DptDepthHead
from distill3d_ros.student.hub import student_folder
from distill3d_ros.student.presets import PRESETS
from distill3d_ros.student.student import Student
from distill3d_ros.student.vggt_weights import load_vggt, read_vggt
from distill3d_ros.training.config import AUXILIARY_PARTS, PERCEPTION_PARTS, TRAINED_PARTS, TrainConfig
from distill3d_ros.training.start.growth import grow
from distill3d_ros.training.start.language_models import SMOLLM2, pretrained_language
from distill3d_ros.training.start.vocabulary import new_tokenizer

if TYPE_CHECKING:
    from distill3d_ros.student.language.causal_lm import PretrainedLanguage

STUDENT = "student"
"""Folder of a stage's finished student, below the stage's own."""
BEST_STUDENT = "student_best"
"""Folder of the student that did best in validation, where the stage keeps it."""
WITHOUT_PARAMETERS = ("image_area", "inference_dtype")
"""Settings of a student that shape none of its parameters, so that a configuration may change a trained student's."""
SCRATCH = "scratch"
"""In place of a language model's name: its shape with random weights, and a tokenizer of our own."""


def starting_student(
    config: TrainConfig, name: str, *, out: Path, init: str | Path | None, report: Callable[[str], None]
) -> Student:
    """The student that a stage begins with: ``init``, or what the stages before it have made of a new one.

    Of each earlier stage the parts that it trained are taken, so that stages that do not need each other (perception,
    and reasoning without pixels) may also run side by side. The configuration's changes to a student are for a new one,
    but for those that shape no parameter (``WITHOUT_PARAMETERS``).
    """
    student = _student_before(config, name, out=out, init=init, report=report)
    if student is None:
        return new_student(config, report)
    unshaped = {key: config.student[key] for key in WITHOUT_PARAMETERS if key in config.student}
    student.config = replace(student.config, **unshaped)
    return student


def _student_before(
    config: TrainConfig, name: str, *, out: Path, init: str | Path | None, report: Callable[[str], None]
) -> Student | None:
    """The student of ``init`` or of the stages before; None if there is neither."""
    if init is not None:
        report(f"{name}: starting from the student in {init}")
        return load_student(Path(init), device="cpu")
    names = [s.name for s in config.stages]
    student: Student | None = None
    for before in config.stages[: names.index(name)]:
        folder = out / before.name / STUDENT
        if not folder.is_dir():
            continue
        made = load_student(folder, device="cpu")
        parts = [part for part in TRAINED_PARTS[before.kind] if getattr(made, part) is not None]
        report(f"{name}: taking {', '.join(parts)} from {folder}")
        if student is None:
            student = made
        elif student.config.to_dict() != made.config.to_dict():
            raise ValueError(f"{folder} holds a student of another configuration than the stages before it")
        else:
            for part in parts:
                getattr(student, part).load_state_dict(getattr(made, part).state_dict())
    return student


def new_student(config: TrainConfig, report: Callable[[str], None] = print) -> Student:
    """A new student of the configured preset and changes, its patch embedding and language model pretrained.

    Raises:
        ValueError: the preset, a change or the language model cannot be used.
    """
    base = _settings(config)
    if config.start_from:
        return _grown(config, base, report)
    perceiver = load_student(Path(config.perception)) if config.perception else None
    pretrained = _language_model(config, base, report)
    chosen = StudentConfig.from_dict(base)
    if pretrained is not None:
        tokenizer = pretrained.tokenizer
    else:
        tokenizer = new_tokenizer(chosen.language.vocab_size) if perceiver is None else perceiver.language.tokenizer
    student = Student(chosen, tokenizer)
    if pretrained is not None:
        student.language.load_pretrained(pretrained)
    if perceiver is not None:
        _take_perception(student, perceiver, config.perception)
    elif config.vggt:
        _load_vggt(student, config, report)
    else:  # without it the patch embedding starts from noise, and its frozen first blocks stay noise
        student.encoder.patch_embed.load_pretrained()
    return student


def student_settings(config: TrainConfig) -> StudentConfig:
    """The student that a configuration describes, without making it; its language model's own settings aside.

    Raises:
        ValueError: a change names a setting that there is not, or has a value that cannot be.
    """
    return StudentConfig.from_dict(_settings(config))


def _settings(config: TrainConfig) -> dict[str, Any]:
    """The preset, or the settings of the student whose perception is taken, with the configured changes."""
    if config.preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}. Got {config.preset!r}")
    base = PRESETS[config.preset](tuple(LABELS)).to_dict()
    if config.perception:
        if config.vggt:
            raise ValueError(f"perception and vggt cannot both be given. Got {config.perception!r}, {config.vggt!r}")
        base = StudentConfig.from_dict(read_description(config.perception)["student"]).to_dict()
    return _changed(base, config.student)


def _changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings of a student with a configuration's changes to them; ``labels: all`` is every class that there is."""
    changed = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(base.get(key), dict)
        changed[key] = base[key] | value if inner else value
    if changed["labels"] == "all":
        changed["labels"] = list(LABELS)
    if isinstance(changed["labels"], str):
        raise ValueError(f"student.labels must be a list of classes, or all. Got {changed['labels']!r}")
    return changed


def _take_perception(student: Student, perceiver: Student, origin: str) -> None:
    """The encoder and heads of another student."""
    ours, theirs = student.config.to_dict(), perceiver.config.to_dict()
    for name in ("labels", "encoder", "depth", "detection", "segmentation", "pose"):
        if ours[name] != theirs[name]:
            raise ValueError(f"student.{name} cannot change where perception is taken from {origin}. Got {ours[name]}")
    for part in (*PERCEPTION_PARTS, *AUXILIARY_PARTS, "pose_head"):
        if getattr(perceiver, part) is not None:
            getattr(student, part).load_state_dict(getattr(perceiver, part).state_dict())


def _grown(config: TrainConfig, base: dict[str, Any], report: Callable[[str], None]) -> Student:
    """A student of the configuration ``base`` that begins as the smaller one in ``start_from``."""
    for name in ("language_model", "vggt", "perception"):
        if getattr(config, name):
            raise ValueError(
                f"{name} must be empty with start_from: the student begins as the one in {config.start_from}. "
                f"Got {getattr(config, name)!r}"
            )
    smaller = load_student(student_folder(config.start_from), device="cpu")
    language = base["language"]
    if config.preset == smaller.config.preset:  # what is not changed stays as it is
        base = _changed(smaller.config.to_dict(), config.student)
        language = base["language"]
    words = {key: getattr(smaller.config.language, key) for key in ("vocab_size", "causal_lm", "end_token")}
    labels = base["labels"] if "labels" in config.student else list(smaller.config.labels)
    base |= {"labels": labels, "language": language | words}
    student = Student(StudentConfig.from_dict(base), smaller.language.tokenizer)
    report(f"beginning as the student in {config.start_from}: {grow(student, smaller).describe()}")
    return student


def _load_vggt(student: Student, config: TrainConfig, report: Callable[[str], None]) -> None:
    head = student.depth_head
    if student.config.encoder.patch_embed != "dinov2" or not isinstance(head, DptDepthHead):
        raise ValueError(
            f"preset {config.preset!r} has no VGGT encoder. Got vggt {config.vggt!r}; leave it out, or use 'paper'"
        )
    done = load_vggt(
        read_vggt(config.vggt), encoder=student.encoder, depth=head.dpt, pose=student.pose_head, origin=config.vggt
    )
    report(f"{config.vggt}: {len(done.loaded)} tensors loaded, {len(done.not_used)} of other heads passed over")


def _language_model(
    config: TrainConfig, base: dict[str, Any], report: Callable[[str], None]
) -> PretrainedLanguage | None:
    """The pretrained language model, entered into the student's configuration ``base``; None where there is none."""
    has_one = bool(base["language"].get("causal_lm"))
    if not config.language_model:
        if has_one:
            raise ValueError(
                f"preset {config.preset!r} begins with a pretrained language model: set language_model to "
                f"{SMOLLM2!r}, a folder, owner/name@revision or {SCRATCH!r}; or use preset 'pico', which needs none"
            )
        return None
    if not has_one:
        raise ValueError(
            f"preset {config.preset!r} has a language model of its own. Got language_model "
            f"{config.language_model!r}; leave it out, or use preset 'small'"
        )
    if config.language_model == SCRATCH:
        return None
    found = pretrained_language(config.language_model, report)
    base["language"] |= {
        "causal_lm": found.config,
        "vocab_size": found.config["vocab_size"],
        "end_token": found.end_token,
    }
    return found
