"""A question of a published set, in one form for all sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EXACT_MATCH, NORMALISED_MATCH, CHOICE, RELATIVE_ACCURACY = METRICS = (
    "exact_match",
    "normalised_match",
    "choice",
    "mean_relative_accuracy",
)
"""How an answer is scored, see ``scoring``: equal to an accepted text; equal after SQA3D's normalisation; the letter of
the right option; a number near the true one."""


@dataclass(frozen=True, slots=True)
class AgentPose:
    """Pose of the agent of a situated question, in the scan's own world: z up, metres, no axis alignment."""

    position: tuple[float, float, float]
    """Relative to the middle of the box around all vertices of the scan's mesh."""
    rotation: tuple[float, float, float, float]
    """Quaternion x, y, z, w."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkQuestion:
    """One question with what its set accepts as an answer."""

    id: str
    scan: str
    """``scene0000_00``"""
    text: str
    """As published."""
    type: str
    """The set's own name of this kind of question; tables have a row for each."""
    metric: str
    """One of METRICS."""
    answers: tuple[str, ...]
    """Accepted texts; of CHOICE the letter of the right option; of RELATIVE_ACCURACY the true number."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Letter -> text, of CHOICE."""
    situation: str = ""
    """What the asker is said to do, of SQA3D."""
    pose: AgentPose | None = None
    """Of SQA3D."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """The questions of a published file."""

    name: str
    questions: tuple[BenchmarkQuestion, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Why questions of the file were left out -> how many."""
    task_of: Mapping[str, str] = field(default_factory=dict)
    """Type -> task, where the set's overall score is the mean of its tasks' scores and theirs that of their types;
    empty where every question counts the same."""
    sha256: str = ""
    """Of the file with the questions."""
