"""Questions about the frame whose stamp they name, about fresh frames only, and frames looked at on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from distill3d_ros.engine.frame_ring import NoFrameError, StaleFrameError
from distill3d_ros.engine.worker import Worker
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.objects import Scene

CAMERA = Intrinsics(fx=10.0, fy=10.0, cx=4.5, cy=4.5, width=10, height=10)
S = 1_000_000_000


def until(condition: Callable[[], bool], limit: float = 5.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


class Camera:
    """Submits frames, items being their stamps, to a worker of four kept frames; time stands still unless told."""

    def __init__(self, **options: object) -> None:
        self.perceived: list[int] = []
        self.shown: list[int] = []
        self.now = 100.0
        self.wanted = True
        self.gate = threading.Event()
        self.gate.set()
        self.worker: Worker[int] = Worker(
            perceive=self._perceive,
            ask=lambda scene, question: Answer(text=str(scene.stamp_ns), value=None),
            on_scene=lambda item, frame, scene: self.shown.append(item),
            on_error=lambda error: None,
            wanted=lambda: self.wanted,
            clock=lambda: self.now,
            kept=4,
            **options,
        )

    def _perceive(self, stamp_ns: int) -> tuple[Frame, Scene]:
        assert self.gate.wait(5.0)
        self.perceived.append(stamp_ns)
        if stamp_ns % 2:
            raise ValueError("all dark")
        frame = Frame(image=np.zeros((10, 10, 3), np.uint8), intrinsics=CAMERA, stamp_ns=stamp_ns)
        return frame, Scene(objects=(), intrinsics=CAMERA, stamp_ns=stamp_ns)

    def show(self, *stamps: int, age_s: float = 0.0) -> None:
        """Submits frames and waits until those that are wanted have been looked at."""
        for stamp in stamps:
            self.worker.submit(stamp, stamp_ns=stamp, age_s=age_s)
            if self.wanted:
                until(lambda stamp=stamp: stamp in self.perceived)

    def ask(self, stamp_ns: int = 0, timeout: float = 2.0, max_age_s: float = 0.0) -> int:
        """The stamp of the frame that the answer is about."""
        _, answer = self.worker.ask("q", not_before_ns=stamp_ns, timeout=timeout, max_age_s=max_age_s)
        return int(answer.text)


@pytest.fixture
def camera() -> Iterator[Camera]:
    camera = Camera()
    camera.worker.start()
    yield camera
    camera.gate.set()
    assert camera.worker.stop(5.0)


def test_a_question_is_about_the_frame_whose_stamp_it_names(camera: Camera) -> None:
    camera.show(2 * S, 3 * S, 4 * S)
    assert [camera.ask(stamp) for stamp in (3 * S, 2 * S, 4 * S, 0)] == [3 * S, 2 * S, 4 * S, 4 * S]


def test_a_frame_that_was_dropped_is_looked_at_when_it_is_asked_for(camera: Camera) -> None:
    camera.gate.clear()
    for stamp in (2 * S, 4 * S, 6 * S):
        camera.worker.submit(stamp, stamp_ns=stamp)
        time.sleep(0.02)
    camera.gate.set()
    until(lambda: camera.shown == [2 * S, 6 * S])
    assert camera.ask(4 * S) == 4 * S
    assert camera.shown == [2 * S, 6 * S], "what is published goes forward in time"
    assert camera.ask() == 6 * S, "the newest is still the newest"
    assert camera.ask(4 * S) == 4 * S
    assert camera.perceived.count(4 * S) == 1


def test_a_frame_that_is_not_kept_any_more_is_refused_by_name(camera: Camera) -> None:
    camera.show(*(i * S for i in range(2, 14, 2)))
    with pytest.raises(StaleFrameError, match=r"no frame with stamp 2\.000 is kept; the 4 kept ones are from 6\.000"):
        camera.ask(2 * S)
    with pytest.raises(StaleFrameError, match=r"no frame with stamp 1\.500"):
        camera.ask(3 * S // 2)


def test_a_stamp_between_two_frames_stands_for_the_next_if_it_is_near(camera: Camera) -> None:
    camera.show(2 * S, 2 * S + 100_000_000, 6 * S)
    assert camera.ask(2 * S + 1) == 2 * S + 100_000_000
    with pytest.raises(StaleFrameError, match=r"no frame with stamp 3\.000"):
        camera.ask(3 * S)


def test_a_frame_that_could_not_be_used_is_told_and_not_replaced(camera: Camera) -> None:
    camera.show(2 * S, 2 * S + 11, 2 * S + 20)
    with pytest.raises(NoFrameError, match=r"stamp 2\.000 could not be looked at: all dark"):
        camera.ask(2 * S + 11)


def test_the_frame_asked_for_is_looked_at_though_a_newer_one_came(camera: Camera) -> None:
    """A client that has the image before the node: its question waits, and the very frame is answered about."""
    with ThreadPoolExecutor(1) as pool:
        camera.show(2 * S)
        reply = pool.submit(camera.ask, 4 * S)
        until(lambda: len(camera.worker._requests) == 1)
        camera.gate.clear()
        for stamp in (3 * S, 4 * S, 6 * S):
            camera.worker.submit(stamp, stamp_ns=stamp)
        camera.gate.set()
        assert reply.result(5.0) == 4 * S


def test_an_old_frame_is_not_answered_about(camera: Camera) -> None:
    camera.show(2 * S, age_s=1.0)
    assert camera.ask(max_age_s=5.0) == 2 * S
    assert camera.worker.newest_age() == pytest.approx(1.0)
    camera.now += 20.0
    with pytest.raises(StaleFrameError, match=r"newest frame is 21\.0 s old, more than `max_frame_age` of 5\.0 s"):
        camera.ask(max_age_s=5.0, timeout=0.1)
    assert camera.ask() == 2 * S, "0 is for any age"
    assert camera.ask(2 * S, max_age_s=5.0) == 2 * S, "who names a frame knows its age"
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(camera.ask, max_age_s=5.0)
        until(lambda: len(camera.worker._requests) == 1)
        camera.show(40 * S)
        assert reply.result(5.0) == 40 * S


def test_nothing_is_looked_at_that_nobody_wants(camera: Camera) -> None:
    camera.wanted = False
    camera.show(2 * S, 4 * S, 6 * S)
    time.sleep(0.05)
    assert camera.perceived == []
    assert (camera.worker.counts.received, camera.worker.counts.skipped, camera.worker.counts.dropped) == (3, 2, 0)
    assert camera.ask() == 6 * S, "the newest picture, not the newest scene"
    assert camera.ask() == 6 * S
    assert camera.perceived == [6 * S]
    camera.show(8 * S)
    assert camera.ask() == 8 * S
    assert camera.ask(4 * S) == 4 * S
    camera.wanted = True
    camera.show(10 * S)
    assert camera.perceived[-1] == 10 * S


def test_a_camera_that_is_faster_than_the_student_keeps_no_question_waiting() -> None:
    """Nobody listens, and by the time a frame is looked at there is always a newer one."""
    camera = Camera()
    look = camera.worker._perceive

    def slow_look(stamp_ns: int) -> tuple[Frame, Scene]:
        camera.worker.submit(stamp_ns + 2, stamp_ns=stamp_ns + 2)
        return look(stamp_ns)

    camera.worker._perceive = slow_look
    camera.wanted = False
    camera.worker.start()
    try:
        camera.show(2 * S)
        assert camera.ask(timeout=5.0) == 2 * S
        assert camera.ask(timeout=5.0) == 2 * S + 2
        assert len(camera.perceived) == 2, "one look a question"
    finally:
        assert camera.worker.stop(5.0)


def test_when_time_begins_anew_the_old_frames_are_forgotten(camera: Camera) -> None:
    camera.show(20 * S, 22 * S)
    camera.show(2 * S)
    assert camera.ask() == 2 * S
    assert camera.shown == [20 * S, 22 * S, 2 * S]
    with pytest.raises(StaleFrameError, match="or later arrived"):
        camera.ask(22 * S, timeout=0.1)
    camera.worker.forget()
    with pytest.raises(NoFrameError, match="no frame arrived"):
        camera.ask(timeout=0.1)


def test_questions_about_old_frames_do_not_keep_the_newest_out(camera: Camera) -> None:
    camera.wanted = False
    camera.show(*(i * S for i in range(2, 10, 2)))
    camera.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        replies = [pool.submit(camera.ask, i * S) for i in (2, 4, 6)]
        until(lambda: len(camera.worker._requests) == 3)
        camera.wanted = True
        camera.worker.submit(10 * S, stamp_ns=10 * S)
        camera.gate.set()
        until(lambda: 10 * S in camera.perceived)
        assert camera.perceived.index(10 * S) <= 2
        assert [r.result(5.0) for r in replies] == [2 * S, 4 * S, 6 * S]


def test_what_is_wrong_with_unwanted_images_is_told() -> None:
    errors: list[str] = []

    def inspect(stamp_ns: int) -> None:
        if stamp_ns % 2:
            raise ValueError(f"bad image {stamp_ns}")

    camera = Camera(inspect=inspect)
    camera.worker._on_error = lambda error: errors.append(str(error))
    camera.wanted = False
    camera.worker.start()
    try:
        camera.show(3)
        until(lambda: errors == ["bad image 3"])
        assert camera.perceived == []
        assert (camera.worker.counts.failed, camera.worker.counts.processed) == (1, 0)
        with pytest.raises(NoFrameError, match="bad image 3"):
            camera.ask(3)
    finally:
        assert camera.worker.stop(5.0)
