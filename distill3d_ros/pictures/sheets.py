"""Captions, sheets of several pictures, PNG encoding. All pictures are (H, W, 3) uint8 RGB."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Color = tuple[int, int, int]

INK: Color = (28, 32, 38)
PAPER: Color = (250, 250, 247)
FAINT: Color = (214, 216, 218)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def with_caption(picture: Picture, lines: Sequence[str], *, scale: float = 0.5) -> Picture:
    """The picture with lines of text below it, wrapped to its width."""
    step = round(40 * scale) + 4
    columns = max(8, int((picture.shape[1] - 16) / (19.5 * scale)))
    wrapped = [part for line in lines for part in (textwrap.wrap(line, columns, subsequent_indent="   ") or [""])]
    strip = np.full((step * len(wrapped) + 12, picture.shape[1], 3), PAPER, np.uint8)
    for row, line in enumerate(wrapped):
        cv2.putText(strip, line, (8, step * (row + 1) - 2), FONT, scale, INK, 1, cv2.LINE_AA)
    return np.vstack([picture, strip])


def tiled(pictures: Sequence[Picture], *, columns: int, gap: int = 12) -> Picture:
    """Pictures of any size in rows of ``columns``; each column is as wide as its widest picture, rows likewise."""
    if not pictures:
        raise ValueError("a sheet needs at least one picture. Got 0")
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    widths = [max(row[c].shape[1] for row in rows if c < len(row)) for c in range(min(columns, len(pictures)))]
    heights = [max(p.shape[0] for p in row) for row in rows]
    sheet = np.full((sum(heights) + gap * (len(rows) + 1), sum(widths) + gap * (len(widths) + 1), 3), FAINT, np.uint8)
    y = gap
    for row, height in zip(rows, heights, strict=True):
        x = gap
        for picture, width in zip(row, widths, strict=False):
            sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
            x += width + gap
        y += height + gap
    return sheet


def encode_png(picture: Picture, *, small: bool = False) -> bytes:
    """PNG bytes of an RGB picture; ``small`` takes longer and a third off the bytes."""
    flags = [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
    done, blob = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]), flags if small else [])
    if not done:
        raise ValueError(f"OpenCV could not encode a picture of shape {picture.shape} as PNG")
    return blob.tobytes()
