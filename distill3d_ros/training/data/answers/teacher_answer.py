"""A teacher's answers to a sample: texts with token scores, depth and boxes.

A teacher answers about samples once (``teach``); its answers are cached (``TeacherCache``) and the training never loads
it. Without a teacher the student learns from geometry alone, and every loss that needs a teacher is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray

TOP_K = 16
"""How many tokens' logits a teacher gives for each token of an answer, unless another number is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherAnswer:
    """A teacher's answer to one question; what it does not offer is None."""

    text: str
    top_tokens: NDArray[np.integer[Any]] | None = None
    """(L, K) ids of its K most probable tokens at each of the L answer tokens (the end token included), best first, in
    its own vocabulary."""
    top_logits: FloatArray | None = None
    """(L, K) their log probabilities: logits that are normalised over the whole vocabulary, so that one minus the sum
    of their exponentials is what the other tokens have."""
    hidden: FloatArray | None = None
    """(D,) its last hidden state before the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherPerception:
    """A teacher's perception of a sample; N boxes, C classes.

    Its boxes are in space (``center_level``, ``size`` and ``yaw``), or rectangles in the picture (``rectangles``), or
    there are none.
    """

    depth: FloatArray | None
    """(h, w) metres at a quarter or a half of the side of its input picture; 0 where unknown."""
    depth_is_relative: bool = False
    """Whether ``depth`` has no unit: its inverse is that of the true depth but for an unknown scale and shift."""
    log_error: FloatArray | None
    """(h, w) log of the |log depth error| that it expects of itself; None where its depth is the truth, or where it
    expects nothing."""
    center_level: FloatArray | None = None
    """(N, 3) metres, level frame."""
    size: FloatArray | None = None
    """(N, 3) metres."""
    yaw: FloatArray | None = None
    """(N,) radians."""
    rectangles: FloatArray | None = None
    """(N, 4) left, top, right and bottom of the visible part, as shares of the picture's width and height, 0..1 between
    its outer edges."""
    class_probs: FloatArray
    """(N, C) 0..1."""
    labels: tuple[str, ...]
    """Its classes, in the order of ``class_probs``."""

    def __post_init__(self) -> None:
        given = [x is not None for x in (self.center_level, self.size, self.yaw)]
        if any(given) != all(given) or (any(given) and self.rectangles is not None):
            raise ValueError("boxes must have center_level, size and yaw, or rectangles alone. Got another mixture")
