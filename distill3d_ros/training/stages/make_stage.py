"""Construction of the stage that a configuration describes, and of the samples that it is trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distill3d_ros.student.student import Student
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.data.mixture import Folders
from distill3d_ros.training.data.reading import open_when_ready
from distill3d_ros.training.inputs.perception_cache import PerceptionCache
from distill3d_ros.training.loop.batches import KeySource
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.stages.cached import CachedStage, perception_folder
from distill3d_ros.training.stages.distill import DistillStage
from distill3d_ros.training.stages.joint import JointStage
from distill3d_ros.training.stages.perception import PerceptionStage
from distill3d_ros.training.stages.reasoning import ReasoningStage


def make_stage(config: StageConfig, data: Folders, out: Path, student: Student) -> Stage:
    """The stage of a configuration."""
    labels, stride = student.config.labels, student.encoder.patch_embed.patch_size
    if config.kind == "perception":
        teacher_cache = TeacherCache(config.teacher, data) if config.teacher else None
        return PerceptionStage(config, data, labels, stride=stride, teacher_cache=teacher_cache)
    if config.kind == "cached":
        return CachedStage(config, student, TeacherCache(config.teacher, data) if config.teacher else None)
    max_objects = student.config.detection.queries
    if config.kind == "reasoning":
        return ReasoningStage(config, data, out, labels, max_objects=max_objects, workers=config.workers)
    if config.kind == "distill":
        return DistillStage(config, data, out, student, TeacherCache(config.teacher, data))
    return JointStage(config, data, out, labels, stride=stride, workers=config.workers)


def training_source(config: StageConfig, data: Folders, *, wait: bool, report: Callable[[str], None]) -> KeySource:
    """The samples of the training split, or the views of a perception cache.

    Args:
        wait: wait for the first samples of a data folder that is being made.

    Raises:
        ValueError: there are none; the message says how to make some.
    """
    if config.kind == "cached":
        return PerceptionCache(perception_folder(config) / "train")
    return open_when_ready(data, "train", wait=wait, report=report)
