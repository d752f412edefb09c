"""The one thread that owns the model: newest item first, questions wait for a scene that is new enough.

Knows nothing of ROS: items are whatever the caller submits, so that it is tested without it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Generic, TypeVar

from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Frame
from distill3d_ros.scene.objects import Scene

Item = TypeVar("Item")
Reply = Future[tuple[Scene, Answer]]
"""The scene that an answer is about, and the answer; or what was raised instead."""


class NoFrameError(RuntimeError):
    """No frame that is new enough arrived in time."""


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
    failed: int = 0
    answered: int = 0
    """Questions, standing ones included; also those whose answer is an exception."""


@dataclass(slots=True)
class _Request:
    question: str
    not_before_ns: int
    reply: Reply


class Worker(Generic[Item]):
    """Perceives the newest item and answers questions about the newest scene, in one thread."""

    def __init__(
        self,
        *,
        perceive: Callable[[Item], tuple[Frame, Scene]],
        ask: Callable[[Scene, str], Answer],
        on_scene: Callable[[Item, Frame, Scene], None],
        on_error: Callable[[Exception], None],
        standing_questions: Callable[[], Sequence[str]] = tuple,
        on_standing: Callable[[str, Reply], None] = lambda question, reply: None,
        min_period: Callable[[], float] = lambda: 0.0,
        max_waiting: int = 16,
    ) -> None:
        """
        Args:
            perceive, ask: the model; called in the worker's thread only.
            on_scene: gets each item with the frame and the scene that ``perceive`` returned, in the worker's thread.
            on_error: gets what ``perceive`` or a callback raised; the worker goes on with the next item.
            standing_questions: asked about every scene, after ``on_scene``.
            on_standing: gets each of them with its reply, which is done, in the worker's thread.
            min_period: seconds from the start of one perception to the next; asked for each item.
            max_waiting: more questions than this are turned away.
        """
        self._perceive, self._ask, self._on_scene, self._on_error = perceive, ask, on_scene, on_error
        self._standing_questions, self._on_standing = standing_questions, on_standing
        self._min_period, self._max_waiting = min_period, max_waiting
        self._wake = threading.Condition()
        self._pending: Item | None = None
        self._requests: list[_Request] = []
        self._scene: Scene | None = None
        self._running = False
        self._counts = Counts()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        self._running = True
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> bool:
        """Waits for the item in hand; True when the thread ended in time. A stopped worker cannot start again."""
        with self._wake:
            self._running = False
            self._wake.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._refuse_waiting()
        return not self._thread.is_alive()

    @property
    def counts(self) -> Counts:
        with self._wake:
            c = self._counts
            return Counts(c.received, c.processed, c.dropped, c.failed, c.answered)

    @property
    def newest_stamp_ns(self) -> int | None:
        """The stamp of the newest scene; None before the first."""
        with self._wake:
            return None if self._scene is None else self._scene.stamp_ns

    def submit(self, item: Item) -> None:
        """Hands over an item; one that still waits for its turn is dropped for it."""
        with self._wake:
            self._counts.received += 1
            self._counts.dropped += self._pending is not None
            self._pending = item
            self._wake.notify_all()

    def ask(self, question: str, *, not_before_ns: int = 0, timeout: float) -> tuple[Scene, Answer]:
        """The answer, and the scene it is about: the newest one, or the first whose stamp reaches ``not_before_ns``.

        Blocks the calling thread for at most ``timeout`` seconds.

        Raises:
            NoFrameError, BusyError, StoppedError, TimeoutError: no answer, and why.
        """
        reply: Reply = Future()
        with self._wake:
            if not self._running:
                raise StoppedError("the node is not active")
            self._requests = [r for r in self._requests if not r.reply.cancelled()]  # whose askers gave up
            if len(self._requests) >= self._max_waiting:
                raise BusyError(f"{len(self._requests)} questions are waiting already; ask again later")
            self._requests.append(_Request(question, not_before_ns, reply))
            self._wake.notify_all()
        try:
            return reply.result(timeout)
        except FutureTimeoutError:  # not the built-in one before Python 3.11
            raise self._too_late(reply, not_before_ns, timeout) from None

    def _too_late(self, reply: Reply, not_before_ns: int, timeout: float) -> Exception:
        cancelled = reply.cancel()
        newest = self.newest_stamp_ns
        if cancelled and newest is None:
            return NoFrameError(f"no frame arrived within the time limit of {timeout:.1f} s")
        if cancelled and newest is not None and newest < not_before_ns:
            return NoFrameError(
                f"no frame with stamp {not_before_ns / 1e9:.3f} or later arrived within the time limit of "
                f"{timeout:.1f} s; the newest one has {newest / 1e9:.3f}"
            )
        return TimeoutError(f"no answer within the time limit of {timeout:.1f} s; allow more time")

    def _run(self) -> None:
        next_start = 0.0
        while True:
            with self._wake:
                while self._running and not self._answerable() and not self._due(next_start):
                    waits_for_rate = self._pending is not None
                    self._wake.wait(max(0.001, next_start - time.monotonic()) if waits_for_rate else None)
                if not self._running:
                    return
                requests, scene = self._take_answerable(), self._scene
                item = self._take_pending() if self._due(next_start) else None
            if requests and scene is not None:
                self._reply(requests, scene)
            if item is not None:
                next_start = time.monotonic() + self._min_period()
                self._process(item)

    def _due(self, next_start: float) -> bool:
        return self._pending is not None and time.monotonic() >= next_start

    def _answerable(self) -> bool:
        return self._scene is not None and any(r.not_before_ns <= self._scene.stamp_ns for r in self._requests)

    def _take_answerable(self) -> list[_Request]:
        if self._scene is None:
            self._requests = [r for r in self._requests if not r.reply.cancelled()]
            return []
        now = self._scene.stamp_ns
        taken = [r for r in self._requests if r.not_before_ns <= now]
        self._requests = [r for r in self._requests if r.not_before_ns > now and not r.reply.cancelled()]
        return taken

    def _take_pending(self) -> Item | None:
        item, self._pending = self._pending, None
        return item

    def _reply(self, requests: list[_Request], scene: Scene) -> None:
        for request in requests:
            if not request.reply.set_running_or_notify_cancel():
                continue
            try:
                request.reply.set_result((scene, self._ask(scene, request.question)))
            except Exception as error:  # whatever the model raises belongs to the asker, and the worker goes on
                request.reply.set_exception(error)
            with self._wake:
                self._counts.answered += 1

    def _process(self, item: Item) -> None:
        try:
            frame, scene = self._perceive(item)
            with self._wake:
                self._scene = scene
                self._counts.processed += 1
            self._on_scene(item, frame, scene)
            for question in self._standing_questions():
                request = _Request(question, 0, Future())
                self._reply([request], scene)
                self._on_standing(question, request.reply)
        except Exception as error:  # one bad frame must not end the node
            with self._wake:
                self._counts.failed += 1
            self._on_error(error)

    def _refuse_waiting(self) -> None:
        with self._wake:
            waiting, self._requests = self._requests, []
        for request in waiting:
            try:
                request.reply.set_exception(StoppedError("the node stopped before it got to the question"))
            except InvalidStateError:  # the asker gave up first
                continue
