"""Records of the worker: waiting questions, the next step, counts, and the reasons for no answer."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from distill3d_ros.engine.frame_ring import KeptFrame
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.objects import Scene

Item = TypeVar("Item")
Reply = Future[tuple[Scene, Answer]]
"""The scene that an answer is about, and the answer; or what was raised instead."""


class BusyError(RuntimeError):
    """Too many questions are waiting."""


class StoppedError(RuntimeError):
    """The worker stopped before it got to the question."""


@dataclass(slots=True)
class Counts:
    """Counts of the submitted items by outcome."""

    received: int = 0
    processed: int = 0
    dropped: int = 0
    """Replaced by a newer item before their turn came."""
    skipped: int = 0
    """Not looked at since nobody wanted to know."""
    failed: int = 0
    answered: int = 0
    """Questions, standing ones included; also those whose answer is an exception."""


@dataclass(slots=True)
class Request(Generic[Item]):
    question: str
    not_before_ns: int
    max_age_s: float
    reply: Reply
    waited: bool = False
    """Whether the stamp was in the future when the question came."""
    frame: KeptFrame[Item] | None = None
    """The one that it is about, once that is known; newer ones do not push it out."""


@dataclass(slots=True)
class Work(Generic[Item]):
    """The next step of the thread."""

    replies: list[tuple[Request[Item], Scene]]
    refusals: list[tuple[Request[Item], Exception]]
    frame: KeptFrame[Item] | None = None
    inspected: KeptFrame[Item] | None = None

    def __bool__(self) -> bool:
        return bool(self.replies or self.refusals or self.frame is not None or self.inspected is not None)
