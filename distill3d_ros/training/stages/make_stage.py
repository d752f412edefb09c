"""The stage of a configuration."""

from __future__ import annotations

from pathlib import Path

from distill3d_ros.student.student import Student
from distill3d_ros.training.config import StageConfig
from distill3d_ros.training.data.answers.teacher_cache import TeacherCache
from distill3d_ros.training.data.mixture import Folders
from distill3d_ros.training.loop.stage import Stage
from distill3d_ros.training.stages.cached import CachedStage
from distill3d_ros.training.stages.distill import DistillStage
from distill3d_ros.training.stages.joint import JointStage
from distill3d_ros.training.stages.perception import PerceptionStage
from distill3d_ros.training.stages.reasoning import ReasoningStage


def make_stage(config: StageConfig, data: Folders, out: Path, student: Student) -> Stage:
    """The stage of a configuration."""
    labels, stride = student.config.labels, student.encoder.patch_embed.patch_size
    if config.kind == "perception":
        return PerceptionStage(config, data, labels, stride=stride)
    if config.kind == "cached":
        return CachedStage(config, student, TeacherCache(config.teacher, data) if config.teacher else None)
    places = student.config.detection.queries
    if config.kind == "reasoning":
        return ReasoningStage(config, data, out, labels, places=places, workers=config.workers)
    if config.kind == "distill":
        return DistillStage(config, data, out, student, TeacherCache(config.teacher, data))
    return JointStage(config, data, out, labels, stride=stride, workers=config.workers)
