"""Keyframes: earlier frames of the same place from other poses. Knows no ROS."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from distill3d_ros.scene.frame import Frame

_APART_M, _APART_RAD = 0.25, math.radians(12)
"""A frame from nearer than this to one that is kept would show nothing new."""
_REACH_M, _TURNED_RAD = 3.0, math.radians(60)
"""A frame from farther away, or that looks elsewhere, hardly shows what the newest one shows."""
_KEPT = 32


class Keyframes:
    """Keeps frames from different places, and picks those to perceive together with the newest."""

    def __init__(self) -> None:
        self._kept: deque[Frame] = deque(maxlen=_KEPT)

    def together(self, newest: Frame, views: int, *, memory_s: float) -> list[Frame]:
        """The newest frame and up to ``views - 1`` earlier ones of the same place; remembers the newest.

        Of the frames near enough that look the same way, those are taken that are farthest from the newest and from
        each other (farthest point sampling), newer ones first where that makes no difference. What was seen more than
        ``memory_s`` seconds ago is forgotten: by then things may have been moved.
        """
        if newest.world_from_camera is None:
            return [newest]
        self._forget(newest, memory_s)
        near = [f for f in reversed(self._kept) if self._shows_the_same(f, newest)]
        chosen = [newest]
        while near and len(chosen) < views:
            apart = [min(_apart(f, c) for c in chosen) for f in near]
            best = int(np.argmax(apart))
            if apart[best] < 1.0:
                break
            chosen.append(near.pop(best))
        if all(_apart(newest, f) >= 1.0 for f in self._kept):
            self._kept.append(newest)
        return chosen

    def _forget(self, newest: Frame, memory_s: float) -> None:
        kept = list(self._kept)
        shape = newest.image.shape
        if kept and (newest.stamp_ns < kept[-1].stamp_ns or kept[-1].image.shape != shape):
            self._kept.clear()  # a bag began anew, or another camera: what was known belongs to another time
        while self._kept and newest.stamp_ns - self._kept[0].stamp_ns > 1e9 * memory_s:
            self._kept.popleft()

    @staticmethod
    def _shows_the_same(frame: Frame, newest: Frame) -> bool:
        metres, angle = _motion(frame, newest)
        return metres <= _REACH_M and angle <= _TURNED_RAD


def _motion(a: Frame, b: Frame) -> tuple[float, float]:
    """Metres between two cameras, and radians between their directions of view."""
    first, second = np.asarray(a.world_from_camera), np.asarray(b.world_from_camera)
    cosine = float(np.clip(first[:3, 2] @ second[:3, 2], -1, 1))
    return float(np.linalg.norm(first[:3, 3] - second[:3, 3])), math.acos(cosine)


def _apart(a: Frame, b: Frame) -> float:
    """1 where two frames begin to show different things."""
    metres, angle = _motion(a, b)
    return max(metres / _APART_M, angle / _APART_RAD)
