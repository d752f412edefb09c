"""Many frames on one sheet, each small and as the camera took it, evenly of all types of rooms."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from distill3d_ros.pictures.sheets import INK, PAPER, Picture, encode_png, tiled
from distill3d_ros.system.files import write_whole
from distill3d_ros.training.data.shards import ShardReader

WIDTH = 1400
"""Pixels of the sheet."""
LOOKED_AT = 12
"""Frames that are drawn for each one that is shown, so that rare types of rooms are found."""
_GAP = 4
_CAPTION = 16
"""Pixels below each frame, for the type of its room."""
_SHAPE = 1.6
"""Columns for each row."""


def frame_grid(reader: ShardReader, out: Path, *, count: int = 60, seed: int = 0, width: int = WIDTH) -> None:
    """Write a PNG of ``count`` frames, no two of one room, as evenly over the types of rooms as the rooms allow."""
    picked = evenly_by_type(reader, count, np.random.default_rng(seed))
    columns = max(1, min(len(picked), round(float(np.sqrt(_SHAPE * len(picked))))))
    side = (width - _GAP * (columns + 1)) // columns
    cells = [_cell(reader[number].frame.image, room_type, side) for room_type, number in picked]
    sheet = tiled(cells, columns=columns, gap=_GAP)
    right = np.full((sheet.shape[0], max(0, width - sheet.shape[1]), 3), sheet[0, 0], np.uint8)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, encode_png(np.hstack([sheet, right]), small=True))


def evenly_by_type(reader: ShardReader, count: int, rng: np.random.Generator) -> list[tuple[str, int]]:
    """(type of room, number of the frame), in the order of the types; one frame a room, drawn at random."""
    rooms: set[str] = set()
    by_type: dict[str, list[int]] = {}
    for number in rng.permutation(len(reader))[: LOOKED_AT * count].tolist():
        room, room_type = reader.place(number)
        if room not in rooms:
            rooms.add(room)
            by_type.setdefault(room_type, []).append(number)
    turns = sorted((turn, kind, number) for kind, of in by_type.items() for turn, number in enumerate(of))
    return sorted((kind, number) for _, kind, number in turns[:count])


def _cell(image: Picture, text: str, side: int) -> Picture:
    height = round(image.shape[0] * side / image.shape[1])
    small = cv2.resize(image, (side, height), interpolation=cv2.INTER_AREA)
    strip = np.full((_CAPTION, side, 3), PAPER, np.uint8)
    cv2.putText(strip, text, (3, _CAPTION - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.36, INK, 1, cv2.LINE_AA)
    return np.vstack([np.asarray(small, np.uint8), strip])
