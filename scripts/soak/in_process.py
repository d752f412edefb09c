"""Fuzzed messages and hostile questions without DDS: each is used or refused in words, in time."""

from __future__ import annotations

import math
import time
from collections import Counter

import numpy as np

from distill3d_ros.engine.engine import Engine
from distill3d_ros.nodes.conversions.rectification import Rectifier
from distill3d_ros.nodes.spatial.inputs import CameraItem
from distill3d_ros.questions.answer import Answer
from distill3d_ros.scene.objects import Scene
from distill3d_ros.system.ros_messages import BadMessageError
from soak.part import Part
from soak.spoilt_messages import good_pair, spoilt_pair

LONGEST_TEXT = 1000
"""Characters of a refusal or an answer; more would be somebody else's text."""
_PIECES = (
    "where is", "the chair", "how many", "and", "not", "is there", "a bed", "left of", "?", "??", ";", "\x00",
    "\x1b[31m", "\n", "\t", "\u202e", "\ufeff", "\U0001f4a9", "'; DROP TABLE", "{}", "%s%n", "${HOME}", "../..", "\\",
    "NaN", "1e999", "-1 m", "椅子", "כיסא", "e\u0301" * 20, "a" * 300, "the " * 80, "no no no", "closer than", "metres",
    "<|im_end|>", '"',
)  # fmt: skip


PLAIN = ("where is the chair?", "is there a chair?", "how many chairs are there?")


def fuzzed_messages(count: int, *, seed: int = 0) -> Part:
    """Decodes ``count`` spoilt pairs and, after every hundredth, a good one."""
    part, rng, rectifier, ends = (
        Part(f"{count:,} fuzzed messages, in process"),
        np.random.default_rng(seed),
        Rectifier(),
        Counter[str](),
    )
    slowest = 0.0
    for i in range(count):
        pairs = [spoilt_pair(rng)] + ([good_pair()] if i % 100 == 99 else [])
        for spoilt, (image, info) in zip((True, False), pairs, strict=False):
            started = time.perf_counter()
            end = _decoded(CameraItem(image, info, 0.0), rectifier, part, f"message {i} of seed {seed}")
            slowest = max(slowest, time.perf_counter() - started)
            ends[end] += spoilt
            if not spoilt and end != "used":
                part.fault(f"the good message after message {i} of seed {seed} was {end}")
    part.figures = {"used": ends["used"], "refused in words": ends["refused"], "slowest ms": round(1e3 * slowest, 1)}
    return part


def _decoded(item: CameraItem, rectifier: Rectifier, part: Part, which: str) -> str:
    try:
        frame, _ = item.decoded(rectifier, rectified=False)
    except BadMessageError as error:
        if len(str(error)) > LONGEST_TEXT or not str(error).isprintable():
            part.fault(f"{which}: a refusal of {len(str(error))} characters: {str(error)[:100]!r}")
        return "refused"
    except Exception as error:  # any other is what is looked for
        part.fault(f"{which}: {type(error).__name__}: {str(error)[:200]!r}")
        return "failed"
    camera = frame.intrinsics
    if not all(map(math.isfinite, (camera.fx, camera.fy, camera.cx, camera.cy))) or min(camera.fx, camera.fy) <= 0:
        part.fault(f"{which}: used with the camera {camera}")
    return "used"


def hostile_question(rng: np.random.Generator) -> str:
    """Pieces of questions, of other languages and of attacks."""
    if rng.random() < 0.2:  # a plain one between them must still be read as what it is
        return PLAIN[int(rng.integers(len(PLAIN)))]
    pieces = [_PIECES[int(k)] for k in rng.integers(0, len(_PIECES), int(rng.integers(0, 10)))]
    return " ".join(pieces) if rng.random() < 0.7 else "".join(pieces)


def hostile_questions(engine: Engine, scene: Scene, count: int, *, seed: int = 0) -> Part:
    """Asks ``count`` hostile questions about a scene."""
    part, rng = Part(f"{count:,} hostile questions"), np.random.default_rng(seed)
    understood, slowest = 0, 0.0
    for i in range(count):
        question = hostile_question(rng)
        started = time.perf_counter()
        try:
            answer = engine.ask_many(scene, [question])[0]
        except Exception as error:  # any is what is looked for
            part.fault(f"{question[:100]!r}: {type(error).__name__}: {str(error)[:200]!r}")
            continue
        slowest = max(slowest, time.perf_counter() - started)
        understood += answer.understood
        if question in PLAIN and answer.reason == "not_understood":
            part.fault(f"question {i} of seed {seed}, {question!r}, was not understood")
        if wrong := wrong_with(answer):
            part.fault(f"question {i} of seed {seed}, {question[:100]!r}: {wrong}")
    part.figures = {"understood": understood, "slowest ms": round(1e3 * slowest, 1)}
    return part


def wrong_with(answer: Answer) -> str:
    """What no answer may be; empty when nothing is."""
    if not answer.text.strip():
        return "no words"
    if len(answer.text) > LONGEST_TEXT or not all(c.isprintable() or c == "\n" for c in answer.text):
        return f"an answer of {len(answer.text)} characters: {answer.text[:100]!r}"
    if not 0.0 <= answer.confidence <= 1.0:
        return f"confidence {answer.confidence}"
    return ""
