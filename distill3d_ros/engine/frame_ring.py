"""The newest frames, perceived or not, so that a question can be about the one whose stamp it names."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from distill3d_ros.scene.objects import Scene

Item = TypeVar("Item")

NEAR_NS = 500_000_000
"""A stamp that no frame has stands for the first frame after it, if that one is no later than this."""


class NoFrameError(RuntimeError):
    """There is no frame that the question can be about."""


class StaleFrameError(NoFrameError):
    """There is a frame, but of another time than the question is about."""


@dataclass(slots=True, eq=False)
class KeptFrame(Generic[Item]):
    """A frame from its arrival on. Once perceived it keeps the scene in place of the item."""

    stamp_ns: int
    taken: float
    """Seconds on the worker's clock at which the picture was taken, as far as that is known."""
    item: Item | None
    number: int = 0
    """Order of arrival."""
    scene: Scene | None = None
    inspected: bool = False


class FrameRing(Generic[Item]):
    """So many received frames and so many perceived ones. Not safe for threads: its owner locks."""

    def __init__(self, kept: int) -> None:
        """``kept`` frames of either kind."""
        if kept < 1:
            raise ValueError(f"kept must be at least 1 frame. Got {kept}")
        self._received: deque[KeptFrame[Item]] = deque(maxlen=kept)
        self._perceived: deque[KeptFrame[Item]] = deque(maxlen=kept)
        self._failed: deque[tuple[int, str]] = deque(maxlen=kept)
        self._complete = True
        self.newest: KeptFrame[Item] | None = None
        """The perceived one that arrived last."""
        self.latest_ns: int | None = None
        """The highest stamp so far."""

    def add(self, frame: KeptFrame[Item]) -> None:
        """A frame has arrived."""
        self._append(self._received, frame)
        self._see_stamp(frame.stamp_ns)

    def perceived(self, frame: KeptFrame[Item], scene: Scene) -> None:
        """A frame has become a scene."""
        self._drop(frame)
        frame.scene, frame.item, frame.stamp_ns = scene, None, scene.stamp_ns
        self._append(self._perceived, frame)
        self._see_stamp(frame.stamp_ns)
        if self.newest is None or frame.number >= self.newest.number:
            self.newest = frame

    def failed(self, frame: KeptFrame[Item], reason: str) -> None:
        """A frame could not be perceived."""
        self._drop(frame)
        frame.item = None
        self._failed.append((frame.stamp_ns, reason))

    def clear(self) -> None:
        """Forgets everything, as when time began anew."""
        for kept in (self._received, self._perceived, self._failed):
            kept.clear()
        self.newest = self.latest_ns = None
        self._complete = True

    def find(self, stamp_ns: int, *, waited: bool) -> KeptFrame[Item] | None:
        """The frame with this stamp, or the first one after it; None as long as it is still to come.

        Args:
            waited: the stamp was in the future when the question came, so the first frame after it is meant.

        Raises:
            NoFrameError: it was there and is not kept any more, or could not be used.
        """
        frames = sorted(self._all(), key=lambda f: f.stamp_ns)
        same = next((f for f in frames if f.stamp_ns == stamp_ns), None)
        if same is not None:
            return same
        for failed_ns, reason in self._failed:
            if failed_ns == stamp_ns:
                raise NoFrameError(f"the frame with stamp {stamp_ns / 1e9:.3f} could not be looked at: {reason}")
        if self.latest_ns is None or stamp_ns > self.latest_ns:
            return None
        after = next((f for f in frames if f.stamp_ns > stamp_ns), None)
        if after is None:
            if waited:
                return None
        elif waited or (self._reaches(frames, stamp_ns) and after.stamp_ns - stamp_ns <= NEAR_NS):
            return after
        raise StaleFrameError(
            f"no frame with stamp {stamp_ns / 1e9:.3f} is kept" + (self._span(frames) if frames else "")
        )

    def taken(self, scene: Scene) -> float | None:
        """``KeptFrame.taken`` of a scene; None of one that is not kept any more."""
        return next((f.taken for f in self._perceived if f.scene is scene), None)

    def _reaches(self, frames: list[KeptFrame[Item]], stamp_ns: int) -> bool:
        """Whether the frame just after the stamp is surely kept."""
        return self._complete or frames[0].stamp_ns < stamp_ns

    @staticmethod
    def _span(frames: list[KeptFrame[Item]]) -> str:
        first, last = frames[0].stamp_ns / 1e9, frames[-1].stamp_ns / 1e9
        return f"; the {len(frames)} kept ones are from {first:.3f} to {last:.3f}"

    def _all(self) -> Iterator[KeptFrame[Item]]:
        yield from self._perceived
        yield from self._received

    def _append(self, kept: deque[KeptFrame[Item]], frame: KeptFrame[Item]) -> None:
        self._complete = self._complete and len(kept) < (kept.maxlen or 0)
        kept.append(frame)

    def _drop(self, frame: KeptFrame[Item]) -> None:
        if frame in self._received:
            self._received.remove(frame)

    def _see_stamp(self, stamp_ns: int) -> None:
        self.latest_ns = stamp_ns if self.latest_ns is None else max(self.latest_ns, stamp_ns)
