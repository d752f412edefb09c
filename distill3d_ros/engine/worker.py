"""The one thread that owns the model: newest item first, questions wait for a scene that is new enough.

Knows nothing of ROS: items are whatever the caller submits, so that it is tested without it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from typing import Generic, TypeVar

from distill3d_ros.engine.frame_ring import NEAR_NS, FrameRing, KeptFrame, NoFrameError, StaleFrameError
from distill3d_ros.engine.worker_records import BusyError, Counts, Reply, Request, StoppedError, Work
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Frame
from distill3d_ros.scene.objects import Scene

__all__ = ["BusyError", "Counts", "NoFrameError", "Reply", "StaleFrameError", "StoppedError", "Worker"]

Item = TypeVar("Item")

INSPECT_S = 1.0
"""Of the frames that nobody wants, one in so many seconds is inspected."""


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
        wanted: Callable[[], bool] = lambda: True,
        inspect: Callable[[Item], None] = lambda item: None,
        clock: Callable[[], float] = time.monotonic,
        max_waiting: int = 16,
        kept: int = 8,
    ) -> None:
        """
        Args:
            perceive, ask: the model; called in the worker's thread only.
            on_scene: gets each item with the frame and the scene that ``perceive`` returned, in the worker's thread;
                not those that are older than one it has had already.
            on_error: gets what ``perceive`` or a callback raised; the worker goes on with the next item.
            standing_questions: asked about every scene, after ``on_scene``.
            on_standing: gets each of them with its reply, which is done, in the worker's thread.
            min_period: seconds from the start of one perception to the next; asked for each item.
            wanted: whether scenes are wanted that no question asks for; while not, questions alone are looked for.
            inspect: looks over an item that nobody wants, once in a while, and raises what is wrong with it.
            clock: seconds by which the age of frames is counted.
            max_waiting: more questions than this are turned away.
            kept: frames to keep, received and perceived, for questions that name a stamp.
        """
        self._perceive, self._ask, self._on_scene, self._on_error = perceive, ask, on_scene, on_error
        self._standing_questions, self._on_standing = standing_questions, on_standing
        self._min_period, self._wanted, self._clock, self._max_waiting = min_period, wanted, clock, max_waiting
        self._inspect, self._inspect_at = inspect, 0.0
        self._wake = threading.Condition()
        self._pending: KeptFrame[Item] | None = None
        self._requests: list[Request[Item]] = []
        self._ring: FrameRing[Item] = FrameRing(kept)
        self._epoch = 0
        """Grows when all frames are forgotten."""
        self._asked_last = False
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
            return replace(self._counts)

    @property
    def newest_stamp_ns(self) -> int | None:
        """The stamp of the newest scene; None before the first."""
        with self._wake:
            return None if self._ring.newest is None else self._ring.newest.stamp_ns

    def newest_age(self) -> float | None:
        """Seconds since the newest scene's picture was taken; None before the first."""
        with self._wake:
            return None if self._ring.newest is None else self._age(self._ring.newest)

    def age_of(self, scene: Scene) -> float | None:
        """Seconds since the picture of a kept scene was taken; None of one that is not kept any more."""
        with self._wake:
            found = self._ring.taken(scene)
            return None if found is None else self._clock() - found

    def submit(self, item: Item, *, stamp_ns: int | None = None, age_s: float = 0.0) -> None:
        """Hands over an item; one that still waits for its turn is dropped for it.

        Args:
            stamp_ns: of its picture; without it a question finds the item only once it is perceived.
            age_s: seconds since its picture was taken.
        """
        wanted = self._wanted()
        with self._wake:
            self._counts.received += 1
            self._counts.dropped += self._pending is not None and wanted
            self._counts.skipped += self._pending is not None and not wanted
            taken, number = self._clock() - age_s, self._counts.received
            self._pending = KeptFrame(stamp_ns=stamp_ns or 0, taken=taken, item=item, number=number)
            if stamp_ns is not None:
                if (
                    stamp_ns < (self._ring.latest_ns or 0) - NEAR_NS
                ):  # a bag began anew: those frames are of another time
                    self._forget()
                self._ring.add(self._pending)
            self._wake.notify_all()

    def forget(self) -> None:
        """Drops all frames and scenes: time began anew, or the camera is another."""
        with self._wake:
            self._pending = None
            self._forget()

    def _forget(self) -> None:
        self._ring.clear()
        self._epoch += 1

    def ask(
        self, question: str, *, not_before_ns: int = 0, timeout: float, max_age_s: float = 0.0
    ) -> tuple[Scene, Answer]:
        """The answer, and the scene it is about. Blocks the calling thread for at most ``timeout`` seconds.

        Args:
            not_before_ns: the stamp of the frame to ask about; one that is still to come stands for the first frame
                from then on. 0 for the newest frame.
            max_age_s: seconds that the newest frame may be old; 0 for any age. Not for a frame asked for by its stamp.

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
            request: Request[Item] = Request(question, not_before_ns, max_age_s, reply)
            self._find(request)
            self._requests.append(request)
            self._wake.notify_all()
        try:
            return reply.result(timeout)
        except FutureTimeoutError:  # not the built-in one before Python 3.11
            raise self._too_late(reply, not_before_ns, timeout, max_age_s) from None

    def _too_late(self, reply: Reply, not_before_ns: int, timeout: float, max_age_s: float) -> Exception:
        cancelled = reply.cancel()
        newest, age = self.newest_stamp_ns, self.newest_age()
        within = f"within the time limit of {timeout:.1f} s"
        if cancelled and newest is None:
            return NoFrameError(f"no frame arrived {within}")
        if cancelled and newest is not None and newest < not_before_ns:
            return StaleFrameError(
                f"no frame with stamp {not_before_ns / 1e9:.3f} or later arrived {within}; the newest one has "
                f"{newest / 1e9:.3f}"
            )
        if cancelled and not not_before_ns and max_age_s and age is not None and age > max_age_s:
            return StaleFrameError(
                f"the newest frame is {age:.1f} s old, more than `max_frame_age` of {max_age_s:.1f} s, and no newer "
                f"one was there {within}"
            )
        return TimeoutError(f"no answer {within}; allow more time")

    def _run(self) -> None:
        next_start = 0.0
        while True:
            with self._wake:
                while self._running and not (work := self._next_work(next_start)):
                    self._wake.wait(self._patience(next_start))
                if not self._running:
                    return
            for request, error in work.refusals:
                if request.reply.set_running_or_notify_cancel():
                    request.reply.set_exception(error)
            for request, scene in work.replies:
                self._reply(request, scene)
            if work.frame is not None:
                next_start = time.monotonic() + self._min_period()
                self._process(work.frame)
            if work.inspected is not None:
                self._look_over(work.inspected)

    def _patience(self, next_start: float) -> float | None:
        """Seconds until the pending frame's turn; None where only an event brings work."""
        if self._pending is None or (self._pending.inspected and not self._wanted()):
            return None
        return max(0.001, (next_start if self._wanted() else self._inspect_at) - time.monotonic())

    def _next_work(self, next_start: float) -> Work[Item]:
        """Takes what can be done now out of the waiting questions and frames."""
        wanted = self._wanted()
        work: Work[Item] = Work([], [])
        waiting: list[Request[Item]] = []
        for request in self._requests:
            if request.reply.cancelled():
                continue
            try:
                frame = self._choose(request, wanted)
            except NoFrameError as error:
                work.refusals.append((request, error))
                continue
            if frame is not None and frame.scene is not None:
                work.replies.append((request, frame.scene))
            else:
                work.frame = work.frame or frame
                waiting.append(request)
        self._requests = waiting
        due = wanted and self._pending is not None and time.monotonic() >= next_start
        if due and (work.frame is None or self._asked_last):  # those who ask for stamps do not keep the newest out
            work.frame, self._asked_last = self._pending, False
        else:
            self._asked_last = work.frame is not None
        if work.frame is not None and work.frame is self._pending:
            self._pending = None
        now, pending = time.monotonic(), self._pending
        if not wanted and pending is not None and not pending.inspected and now >= self._inspect_at:
            self._inspect_at, pending.inspected, work.inspected = now + INSPECT_S, True, pending
        return work

    def _choose(self, request: Request[Item], wanted: bool) -> KeptFrame[Item] | None:
        """The frame that a question is about, perhaps still to be perceived; None as long as it is to come."""
        if request.not_before_ns:
            if request.frame is None or (request.frame.item is None and request.frame.scene is None):
                self._find(request)
            return request.frame
        if request.frame is not None and request.frame.item is None and request.frame.scene is None:
            request.frame = None  # it could not be looked at
        if request.frame is None and not wanted:
            request.frame = self._pending  # kept: a camera is faster than the student, and always has a newer one
        if request.frame is not None:
            return request.frame
        newest = self._ring.newest
        if newest is None or (request.max_age_s and self._age(newest) > request.max_age_s):
            return None
        return newest

    def _find(self, request: Request[Item]) -> None:
        """Sets the frame whose stamp a question names, if it has come. Raises NoFrameError if it has gone."""
        if request.not_before_ns:
            request.frame = self._ring.find(request.not_before_ns, waited=request.waited)
            request.waited = request.waited or request.frame is None

    def _age(self, frame: KeptFrame[Item]) -> float:
        return max(0.0, self._clock() - frame.taken)

    def _reply(self, request: Request[Item], scene: Scene) -> None:
        if not request.reply.set_running_or_notify_cancel():
            return
        try:
            request.reply.set_result((scene, self._ask(scene, request.question)))
        except Exception as error:  # whatever the model raises belongs to the asker, and the worker goes on
            request.reply.set_exception(error)
        with self._wake:
            self._counts.answered += 1

    def _look_over(self, kept: KeptFrame[Item]) -> None:
        """So that what is wrong with the images is known before somebody asks."""
        assert kept.item is not None
        try:
            self._inspect(kept.item)
        except Exception as error:
            with self._wake:
                self._pending = None if self._pending is kept else self._pending
            self._fail(kept, error)

    def _fail(self, kept: KeptFrame[Item], error: Exception) -> None:
        with self._wake:
            self._counts.failed += 1
            if kept.scene is None:
                self._ring.failed(kept, str(error))
        self._on_error(error)

    def _process(self, kept: KeptFrame[Item]) -> None:
        item, epoch = kept.item, self._epoch
        assert item is not None
        try:
            frame, scene = self._perceive(item)
            with self._wake:
                if epoch == self._epoch:
                    self._ring.perceived(kept, scene)
                self._counts.processed += 1
                in_order = self._ring.newest is kept
            if not in_order:  # a question asked for it; what is published goes forward in time
                return
            self._on_scene(item, frame, scene)
            for question in self._standing_questions():
                request: Request[Item] = Request(question, 0, 0.0, Future())
                self._reply(request, scene)
                self._on_standing(question, request.reply)
        except Exception as error:  # one bad frame must not end the node
            self._fail(kept, error)

    def _refuse_waiting(self) -> None:
        with self._wake:
            waiting, self._requests = self._requests, []
        for request in waiting:
            try:
                request.reply.set_exception(StoppedError("the node stopped before it got to the question"))
            except InvalidStateError:  # the asker gave up first
                continue
