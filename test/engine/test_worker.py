"""The thread that owns the model: newest frame wins, questions wait, nothing hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from distill3d_ros.engine.worker import BusyError, NoFrameError, Reply, StoppedError, Worker
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.frame import Frame, Intrinsics
from distill3d_ros.scene.objects import Scene

CAMERA = Intrinsics(fx=10.0, fy=10.0, cx=4.5, cy=4.5, width=10, height=10)


def scene_at(stamp_ns: int) -> Scene:
    return Scene(objects=(), intrinsics=CAMERA, stamp_ns=stamp_ns)


def frame_at(stamp_ns: int) -> Frame:
    return Frame(image=np.zeros((10, 10, 3), np.uint8), intrinsics=CAMERA, stamp_ns=stamp_ns)


def say_stamp(scene: Scene, question: str) -> Answer:
    if question == "raise":
        raise ValueError("no such word")
    return Answer(text=f"{question} {scene.stamp_ns}", value=None)


class Running:
    """A worker with a perception that can be held up."""

    def __init__(self, **options) -> None:
        self.seen: list[int] = []
        self.errors: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.worker: Worker[int] = Worker(
            perceive=self.perceive,
            ask=say_stamp,
            on_scene=self.on_scene,
            on_error=lambda error: self.errors.append(str(error)),
            **options,
        )

    def on_scene(self, item: int, frame: Frame, scene: Scene) -> None:
        assert (frame.stamp_ns, scene.stamp_ns) == (item, item)
        self.seen.append(item)

    def perceive(self, stamp_ns: int) -> tuple[Frame, Scene]:
        self.entered.set()
        assert self.gate.wait(5.0)
        if stamp_ns < 0:
            raise ValueError(f"bad frame {stamp_ns}")
        return frame_at(stamp_ns), scene_at(stamp_ns)

    def hold(self) -> None:
        self.entered.clear()
        self.gate.clear()

    def __enter__(self) -> Running:
        self.worker.start()
        return self

    def __exit__(self, *_) -> None:
        self.gate.set()
        assert self.worker.stop(5.0)


def until(condition: Callable[[], bool], limit: float = 5.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


def test_the_newest_frame_wins_and_the_others_are_counted():
    with Running() as run:
        run.hold()
        run.worker.submit(1)
        assert run.entered.wait(5.0)
        for stamp in range(2, 11):
            run.worker.submit(stamp)
        run.gate.set()
        until(lambda: len(run.seen) == 2)
        assert run.seen == [1, 10]
        counts = run.worker.counts
        assert (counts.received, counts.processed, counts.dropped, counts.failed) == (10, 2, 8, 0)


def test_a_bad_frame_does_not_stop_the_next():
    with Running() as run:
        run.worker.submit(-7)
        until(lambda: bool(run.errors))
        run.worker.submit(8)
        until(lambda: run.seen == [8])
        assert run.errors == ["bad frame -7"]
        assert run.worker.counts.failed == 1


def test_a_question_is_about_the_newest_scene():
    with Running() as run:
        run.worker.submit(5)
        until(lambda: run.seen == [5])
        scene, answer = run.worker.ask("where", timeout=5.0)
        assert (scene.stamp_ns, answer.text) == (5, "where 5")


def test_a_question_waits_for_a_frame_that_is_new_enough():
    with Running() as run, ThreadPoolExecutor(1) as pool:
        run.worker.submit(5)
        until(lambda: run.seen == [5])
        reply = pool.submit(run.worker.ask, "later", not_before_ns=6, timeout=5.0)
        time.sleep(0.05)
        assert not reply.done()
        run.worker.submit(7)
        assert reply.result(5.0)[1].text == "later 7"


def test_without_a_frame_the_time_limit_ends_the_wait_and_says_why():
    with Running() as run:
        started = time.monotonic()
        with pytest.raises(NoFrameError, match=r"no frame arrived within the time limit of 0\.1 s"):
            run.worker.ask("anything", timeout=0.1)
        assert time.monotonic() - started < 2.0
        run.worker.submit(1_500_000_000)
        until(lambda: bool(run.seen))
        with pytest.raises(NoFrameError, match=r"stamp 2\.000 or later .* the newest one has 1\.500"):
            run.worker.ask("later", not_before_ns=2_000_000_000, timeout=0.05)


def test_what_the_model_raises_reaches_the_asker_only():
    with Running() as run:
        run.worker.submit(1)
        with pytest.raises(ValueError, match="no such word"):
            run.worker.ask("raise", timeout=5.0)
        assert run.worker.ask("fine", timeout=5.0)[1].text == "fine 1"


def test_too_many_waiting_questions_are_turned_away():
    with Running(max_waiting=2) as run, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(run.worker.ask, "q", timeout=5.0) for _ in range(2)]
        until(lambda: len(run.worker._requests) == 2)
        with pytest.raises(BusyError, match="2 questions are waiting"):
            run.worker.ask("one too many", timeout=5.0)
        run.worker.submit(3)
        assert [w.result(5.0)[1].text for w in waiting] == ["q 3", "q 3"]


def test_those_who_gave_up_take_no_place():
    with Running(max_waiting=1) as run:
        for _ in range(3):
            with pytest.raises(NoFrameError):
                run.worker.ask("q", timeout=0.02)


def test_questions_do_not_keep_frames_out():
    """A crowd that asks without a pause: frames still get their turn."""
    with Running() as run, ThreadPoolExecutor(4) as pool:
        run.worker.submit(1)
        until(lambda: run.seen == [1])
        done = threading.Event()

        def keep_asking() -> int:
            asked = 0
            while not done.is_set():
                run.worker.ask("q", timeout=5.0)
                asked += 1
            return asked

        crowd = [pool.submit(keep_asking) for _ in range(4)]
        for stamp in range(2, 12):
            run.worker.submit(stamp)
            until(lambda stamp=stamp: run.seen[-1] == stamp, limit=2.0)
        done.set()
        assert all(c.result(5.0) > 0 for c in crowd)


def test_standing_questions_are_asked_about_every_scene_and_counted():
    """One that fails has its own reply: neither the frame nor the next question is lost."""
    replies: list[tuple[str, object]] = []

    def keep(question: str, reply: Reply) -> None:
        replies.append((question, reply.exception() or reply.result()[1].text))

    with Running(standing_questions=lambda: ["where", "raise", "what"], on_standing=keep) as run:
        for stamp in (5, 6):
            run.worker.submit(stamp)
            until(lambda stamp=stamp: run.worker.counts.processed == stamp - 4)
            assert run.worker.ask("who", timeout=5.0)[1].text == f"who {stamp}"
        counts = run.worker.counts
    assert [question for question, _ in replies] == ["where", "raise", "what"] * 2
    assert [answer for question, answer in replies if question != "raise"] == ["where 5", "what 5", "where 6", "what 6"]
    assert [str(answer) for question, answer in replies if question == "raise"] == ["no such word"] * 2
    assert (counts.answered, counts.failed, run.errors) == (8, 0, [])


def test_the_rate_is_limited():
    with Running(min_period=lambda: 0.05) as run:
        end = time.monotonic() + 0.4
        stamp = 0
        while time.monotonic() < end:
            stamp += 1
            run.worker.submit(stamp)
            time.sleep(0.002)
        assert 4 <= len(run.seen) <= 10  # 0.4 s at most 20 a second, and the machine may be busy


def test_stopping_answers_those_who_wait():
    run = Running()
    run.worker.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run.worker.ask, "q", timeout=20.0)
        until(lambda: len(run.worker._requests) == 1)
        assert run.worker.stop(5.0)
        with pytest.raises(StoppedError, match="stopped"):
            waiting.result(5.0)
    with pytest.raises(StoppedError, match="not active"):
        run.worker.ask("q", timeout=1.0)
