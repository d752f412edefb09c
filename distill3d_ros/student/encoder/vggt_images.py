"""VGGT's image loading: bicubic, 518 pixels wide, in multiples of the patch size.

Equal to the published loader pixel by pixel, which needs Pillow's resampling: another filter gives other edges than
those of the training images.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

SIDE, PATCH = 518, 14
MODES = ("crop", "pad")
_WHITE = 1.0


def load_images(paths: Sequence[str | Path], *, mode: str = "crop") -> Tensor:
    """Files to (N, 3, H, W) in 0..1.

    ``crop``: 518 wide, the height keeps the aspect; what is higher than 518 loses its top and bottom alike. ``pad``:
    the longer side is 518, and white fills the square. Transparent pixels are white. Images of several shapes are
    padded with white to the largest, with a warning.

    Raises:
        ValueError: an unknown mode, no path, or a file that is no image.
        FileNotFoundError: a file is missing.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}. Got {mode!r}")
    if not paths:
        raise ValueError("load_images needs at least one path. Got none")
    images = []
    for path in paths:
        picture = _resized(_opened(path), mode)
        images.append(_pad(picture, SIDE, SIDE) if mode == "pad" else picture)
    shapes = sorted({tuple(image.shape[1:]) for image in images})
    if len(shapes) > 1:
        warnings.warn(f"images of several shapes {shapes} are padded with white to the largest", stacklevel=2)
        height, width = (max(shape[i] for shape in shapes) for i in (0, 1))
        images = [_pad(image, height, width) for image in images]
    return torch.stack(images)


def load_squares(paths: Sequence[str | Path], *, side: int = 1024) -> tuple[Tensor, Tensor]:
    """Files to (N, 3, side, side) in 0..1, each in the middle of a black square that is then resized.

    Returns the images, and (N, 6) where each picture lies: left, top, right, bottom in the pixels of the result, and
    its own width and height.
    """
    if not paths:
        raise ValueError("load_squares needs at least one path. Got none")
    images, places = [], []
    for path in paths:
        picture = _opened(path)
        width, height = picture.size
        longest = max(width, height)
        left, top = (longest - width) // 2, (longest - height) // 2
        square = Image.new("RGB", (longest, longest))
        square.paste(picture, (left, top))
        images.append(_tensor(square.resize((side, side), Image.Resampling.BICUBIC)))
        scale = side / longest
        corners = (left * scale, top * scale, (left + width) * scale, (top + height) * scale)
        places.append([*corners, float(width), float(height)])
    return torch.stack(images), torch.tensor(places, dtype=torch.float32)


def _opened(path: str | Path) -> Image.Image:
    """RGB; transparency over white."""
    try:
        with Image.open(path) as file:
            picture = file.convert("RGBA") if file.mode == "RGBA" else file.convert("RGB")
    except UnidentifiedImageError as error:
        raise ValueError(f"'{path}' is no image that can be read") from error
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture).convert("RGB")
    return picture


def _resized(picture: Image.Image, mode: str) -> Tensor:
    width, height = picture.size
    if mode == "pad" and height > width:
        size = (_to_patches(width * SIDE / height), SIDE)
    else:
        size = (SIDE, _to_patches(height * SIDE / width))
    image = _tensor(picture.resize(size, Image.Resampling.BICUBIC))
    if image.shape[1] > SIDE:
        top = (image.shape[1] - SIDE) // 2
        image = image[:, top : top + SIDE]
    return image


def _to_patches(pixels: float) -> int:
    return max(1, round(pixels / PATCH)) * PATCH


def _pad(image: Tensor, height: int, width: int) -> Tensor:
    """White around it; the odd pixel goes below and to the right."""
    missing_rows, missing_columns = height - image.shape[1], width - image.shape[2]
    if missing_rows == missing_columns == 0:
        return image
    padded = image.new_full((3, height, width), _WHITE)
    top, left = missing_rows // 2, missing_columns // 2
    padded[:, top : top + image.shape[1], left : left + image.shape[2]] = image
    return padded


def _tensor(picture: Image.Image) -> Tensor:
    """(3, H, W) in 0..1"""
    return torch.from_numpy(np.array(picture, np.uint8)).permute(2, 0, 1).float() / 255.0
