"""Preparation of images for VGGT, with Pillow and numpy: pictures to arrays (H, W, 3) in 0..1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from support.parity.layers import Array

SIDE, PATCH = 518, 14


def loaded(pictures: Sequence[Image.Image], mode: str) -> Array:
    """(N, H, W, 3) by the mode ``crop`` or ``pad``; all become as large as the largest, with white around them."""
    found = [_resized(picture, mode) for picture in pictures]
    height, width = (SIDE, SIDE) if mode == "pad" else np.max([image.shape[:2] for image in found], 0)
    return np.stack([_framed(image, height, width) for image in found])


def squares(pictures: Sequence[Image.Image], side: int) -> tuple[Array, Array]:
    """(N, side, side, 3), each on a black square; and (N, 6): its corners there, its own width and height."""
    found, places = [], []
    for picture in pictures:
        width, height = picture.size
        longest = max(width, height)
        left, top = (longest - width) // 2, (longest - height) // 2
        square = np.zeros((longest, longest, 3), np.uint8)
        square[top : top + height, left : left + width] = _rgb(picture)
        found.append(_values(Image.fromarray(square), (side, side)))
        corners = np.array([left, top, left + width, top + height]) * side / longest
        places.append([*corners, width, height])
    return np.stack(found), np.array(places)


def _rgb(picture: Image.Image) -> np.ndarray:
    if picture.mode != "RGBA":
        return np.asarray(picture.convert("RGB"))
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB"))


def _values(picture: Image.Image, size: tuple[int, int]) -> Array:
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC)) / 255.0


def _resized(picture: Image.Image, mode: str) -> Array:
    width, height = picture.size
    longest = max(width, height) if mode == "pad" else width
    size = tuple(SIDE if n == longest else round(n * SIDE / longest / PATCH) * PATCH for n in (width, height))
    image = _values(Image.fromarray(_rgb(picture)), (SIDE, size[1]) if mode == "crop" else size)
    first = max(0, (len(image) - SIDE) // 2)
    return image[first : first + SIDE]


def _framed(image: Array, height: int, width: int) -> Array:
    missing = [(total - n) for total, n in zip((height, width), image.shape, strict=False)]
    around = [(n // 2, n - n // 2) for n in missing]
    return np.pad(image, (*around, (0, 0)), constant_values=1.0)
