"""A sheet for checking relations by eye: two outlined things, what is claimed of them, and what geometry says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.pictures.drawing import UNKNOWN
from distill3d_ros.pictures.sheets import Picture, encode_png, tiled, with_caption
from distill3d_ros.questions.ground_truth.balancing import is_absent
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.question_candidates import question_candidates
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.relations import gap
from distill3d_ros.questions.rules import holds
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.data.sample import Sample
from distill3d_ros.training.data.shards import ShardReader

FRAMES = 240
"""Looked at for cases, drawn at random."""
PICTURE_WIDTH = 448
_COLORS = ((255, 64, 32), (0, 200, 255))
"""Of the first thing and of the second."""
_COLOR_NAMES = ("red", "blue")
_MARGIN = 0.2
"""Around the two things where they are shown enlarged, as a share of their extent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One claim about two things in one frame."""

    number: int
    """Of the frame."""
    room: str
    fact: GroundTruthQA
    gap: float
    """Metres between the two."""
    swapped_holds: bool = False
    """Whether it is true the other way round: nobody needs to look whether the table is on the cup."""

    @property
    def holds(self) -> bool:
        return bool(self.fact.answer.value)


def relation_cases(reader: ShardReader, relations: Sequence[str], count: int, rng: np.random.Generator) -> list[Case]:
    """As many true claims as false ones, evenly over the relations, and of as many rooms as possible.

    True ones are drawn at random; the false ones are those with the smallest gaps, near misses, and if there are
    enough, such as are false both ways.

    Args:
        relations: kinds of yes/no questions about two things, such as ``touching``.

    Raises:
        ValueError: a relation is unknown, or not a yes/no question about two things.
    """
    known = [name for name, kind in KINDS.items() if kind.form == "yes_no" and kind.slots == 2]
    for name in relations:
        if name not in known:
            raise ValueError(f"relations must be some of {', '.join(known)}. Got {name!r}")
    found: dict[tuple[str, bool], list[Case]] = {(name, truth): [] for name in relations for truth in (True, False)}
    for number in rng.permutation(len(reader))[:FRAMES].tolist():
        scene = reader.scene(number)
        room, _ = reader.place(number)
        for fact in question_candidates(scene):
            if fact.kind in relations and not is_absent(fact):
                a, b = (i for i in fact.object_ids if i is not None)
                swapped = not fact.answer.value and holds(scene, fact.kind, b, a) is True
                case = Case(number=number, room=room, fact=fact, gap=gap(scene, a, b), swapped_holds=swapped)
                found[fact.kind, case.holds].append(case)
    chosen: list[Case] = []
    for n, name in enumerate(relations):
        wanted = (count * (n + 1)) // len(relations) - (count * n) // len(relations)
        _take(found[name, True], (wanted + 1) // 2, chosen)
        _take(sorted(found[name, False], key=lambda case: (case.swapped_holds, case.gap)), wanted // 2, chosen)
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _take(cases: Sequence[Case], wanted: int, chosen: list[Case]) -> None:
    """The first ones of rooms that are not on the sheet yet; then of others, but no claim twice a room."""
    full = len(chosen) + wanted
    for new_room in (True, False):
        for case in cases:
            if len(chosen) == full:
                return
            rooms = {other.room for other in chosen}
            claims = {(other.room, other.fact.kind, other.fact.group) for other in chosen}
            if case.room not in rooms if new_room else (case.room, case.fact.kind, case.fact.group) not in claims:
                chosen.append(case)


def case_sheet(reader: ShardReader, out: Path, *, relations: Sequence[str], count: int = 40, seed: int = 0) -> None:
    """Write a PNG with numbered cases: the frame, and enlarged the two things with their outlines.

    Raises:
        ValueError: a relation is unknown, or there is no case of any.
    """
    cases = relation_cases(reader, relations, count, np.random.default_rng(seed))
    if not cases:
        raise ValueError(f"{reader.folder} has no clear case of {', '.join(relations)} in split {reader.split!r}")
    sheet = tiled([_drawn(n, case, reader[case.number]) for n, case in enumerate(cases, start=1)], columns=2)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, encode_png(sheet))


def _drawn(n: int, case: Case, sample: Sample) -> Picture:
    image, ids = sample.frame.image, sample.ids
    pair = [i for i in case.fact.object_ids if i is not None]
    top, bottom, left, right = _around(np.isin(ids, pair))
    views = [
        _outlined(image, ids, pair),
        _outlined(image[top:bottom, left:right], ids[top:bottom, left:right], pair),
    ]
    a, b = (f"{name} ({color})" for name, color in zip(case.fact.labels, _COLOR_NAMES, strict=True))
    claim = f"{n}. {a} {case.fact.kind.replace('_', ' ')} {b}: {'YES' if case.holds else 'NO'}"
    return with_caption(np.hstack(views), [claim, f"   {100 * case.gap:.1f} cm apart; {sample.key}"])


def _outlined(image: Picture, ids: NDArray[np.uint16], pair: Sequence[int]) -> Picture:
    """As large as a square of PICTURE_WIDTH allows, with a thin line around the pixels of each of the two things.

    Holes have no line: that of what stands in them would be hidden below it.
    """
    scale = PICTURE_WIDTH / max(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    picture = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    for thing, color in zip(pair, _COLORS, strict=True):
        mask = cv2.resize((ids == thing).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outline, -1, color, 1, cv2.LINE_AA)
    canvas = np.full((PICTURE_WIDTH, PICTURE_WIDTH, 3), UNKNOWN, np.uint8)
    canvas[: size[1], : size[0]] = picture
    return canvas


def _around(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """First and last row and column of a square around the mask, with a margin; the whole image for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    if not len(rows):
        return 0, height, 0, width
    side = max(rows[-1] - rows[0], columns[-1] - columns[0]) * (1 + 2 * _MARGIN) + 8
    y, x = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    top, left = max(0, round(y - side / 2)), max(0, round(x - side / 2))
    return top, min(height, round(y + side / 2)), left, min(width, round(x + side / 2))
