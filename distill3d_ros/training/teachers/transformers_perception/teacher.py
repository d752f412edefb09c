"""A teacher of perception alone: depth and rectangles of unlabelled pictures from public networks of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from distill3d_ros.training.data.answers.teacher_answer import TeacherAnswer, TeacherPerception
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.teachers.transformers_perception.depth_networks import (
    DepthNetwork,
    DepthOutput,
    load_depth_network,
)
from distill3d_ros.training.teachers.transformers_perception.detectors import Detector, load_detector


class PerceptionTeacher:
    """A depth network, a detector, or both; given the picture alone, and asked no questions."""

    answers_questions = False
    tokenizer_sha256 = None

    def __init__(self, depth: DepthNetwork | None, detector: Detector | None) -> None:
        if depth is None and detector is None:
            raise ValueError(
                "transformers_perception needs --depth, --detector, or both: a folder, or owner/name@revision on a "
                "hub. Got none"
            )
        self.depth, self.detector = depth, detector

    @property
    def name(self) -> str:
        return "+".join(part.network.name for part in (self.depth, self.detector) if part is not None)

    def answer(self, sample: Sample, questions: Sequence[str]) -> list[TeacherAnswer]:
        """Raises ValueError for any question: it perceives alone."""
        if questions:
            raise ValueError(f"{self.name} perceives and answers no questions. Got {len(questions)} questions")
        return []

    def perceive(self, sample: Sample) -> TeacherPerception:
        image = sample.frame.image
        found = None if self.detector is None else self.detector.detect(image)
        return TeacherPerception(
            depth=None if self.depth is None else self.depth.estimate(image),
            depth_is_relative=self.depth is not None and self.depth.relative,
            log_error=None,
            rectangles=None if found is None else found[0],
            class_probs=np.zeros((0, 0), np.float32) if found is None else found[1],
            labels=() if self.detector is None else self.detector.labels,
        )

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "transformers_perception",
            "told": "the picture alone",
            "depth": None if self.depth is None else self.depth.describe(),
            "detector": None if self.detector is None else self.detector.describe(),
        }


def load_perception_teacher(
    *,
    depth: str,
    detector: str,
    depth_output: DepthOutput | None,
    prompts: Sequence[str],
    device: torch.device,
) -> PerceptionTeacher:
    """The networks in folders, or ``owner/name@revision`` on a hub; one of the two may be empty.

    Raises:
        FileNotFoundError: one is neither here nor can it be fetched.
        ValueError: both are empty, or one is a network of another task.
    """
    for option, given, of, network in (
        ("--depth-output", depth_output, "--depth", depth),
        ("--prompts", prompts, "--detector", detector),
    ):
        if given and not network:
            raise ValueError(f"{option} belongs to {of}, which is not given. Got {given}")
    return PerceptionTeacher(
        load_depth_network(depth, output=depth_output, device=device) if depth else None,
        load_detector(detector, prompts=prompts, device=device) if detector else None,
    )
