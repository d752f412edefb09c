"""Photometric augmentation: exposure, white balance, blur, noise, JPEG as of a real camera; no change of geometry."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Photometry:
    """Largest strength of each effect. All are drawn for each picture; 0 switches one off."""

    exposure: float = 0.6
    """Stops, either way, round a picture of middle brightness."""
    auto_exposure: float = 0.7
    """0 keeps the picture's own brightness, 1 brings every picture to the middle first, as most cameras do."""
    white_balance: float = 0.12
    """Largest relative gain of red against blue."""
    saturation: float = 0.3
    contrast: float = 0.2
    """Exponent of the tone curve, either way."""
    vignette: float = 0.25
    """Largest loss of light in the corners."""
    blur: float = 0.9
    """Largest standard deviation of the lens blur, pixels; three pictures in ten are sharp."""
    motion: float = 0.15
    """Share of pictures with 2 to 5 pixels of motion blur."""
    noise: float = 0.022
    """Largest standard deviation in the mid-tones, of full scale."""
    jpeg: tuple[int, int] = (55, 95)
    """Range of JPEG qualities; (0, 0) leaves the compression out."""

    def __post_init__(self) -> None:
        for name in fields(self):
            if name.name == "jpeg":
                continue
            value = getattr(self, name.name)
            if not 0.0 <= value <= 4.0:
                raise ValueError(f"photometry {name.name} must lie between 0 (off) and 4. Got {value}")
        low, high = self.jpeg
        if not 0 <= low <= high <= 100:
            raise ValueError(f"photometry jpeg must be (low, high) within 0 to 100. Got {self.jpeg}")


def augment(
    image: NDArray[np.uint8],
    rng: np.random.Generator,
    photometry: Photometry | None = None,
    *,
    grain: np.random.Generator | None = None,
) -> NDArray[np.uint8]:
    """(H, W, 3) RGB as taken by a random camera. The same ``rng`` state gives the same bytes.

    ``grain`` draws the noise in place of ``rng``: images of one size with equal ``rng`` states then come from the same
    camera, each with noise of its own.
    """
    photometry = photometry or Photometry()
    light = (image.astype(np.float32) / 255.0) ** 2.2  # (H, W, 3) display values to light
    light = _lens(light, rng, photometry)
    light *= _gains(light, rng, photometry)
    light = np.maximum(light, 0.0)
    light = np.where(light > 0.7, 0.7 + 0.3 * (1.0 - np.exp(-(light - 0.7) / 0.3)), light)  # highlights roll off
    shown = light ** (1.0 / 2.2)
    shown = _tone(shown, rng, photometry)
    shown = _noise(shown, rng, grain or rng, photometry)
    return _jpeg(np.clip(shown * 255.0 + 0.5, 0, 255).astype(np.uint8), rng, photometry)


def _lens(light: NDArray[np.float32], rng: np.random.Generator, photometry: Photometry) -> NDArray[np.float32]:
    height, width = light.shape[:2]
    sigma = photometry.blur * max(0.0, rng.uniform(-0.43, 1.0))
    if sigma > 0.15:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), sigma), np.float32)
    angle, length = rng.uniform(0, np.pi), rng.uniform(2.0, 5.0)
    if rng.random() < photometry.motion:
        light = np.asarray(cv2.filter2D(light, -1, motion_kernel(angle, length)), np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return light * (1.0 - np.float32(rng.uniform(0, photometry.vignette)) * (x * x + y * y) / 2)[..., None]


def motion_kernel(angle: float, length: float) -> NDArray[np.float32]:
    """(7, 7) filter of a picture that moved by ``length`` pixels, at most 7, along ``angle`` (radians)."""
    kernel = np.zeros((7, 7), np.float32)
    for t in np.linspace(-length / 2, length / 2, 25):
        kernel[round(3 + t * np.sin(angle)), round(3 + t * np.cos(angle))] += 1
    return kernel / kernel.sum()


def _gains(light: NDArray[np.float32], rng: np.random.Generator, photometry: Photometry) -> NDArray[np.float32]:
    """(3,) exposure and white balance together."""
    middle = 0.2
    automatic = (middle / max(float(light.mean()), 0.01)) ** photometry.auto_exposure
    exposure = 2.0 ** rng.uniform(-photometry.exposure, photometry.exposure)
    warm, green = rng.uniform(-1, 1, 2) * photometry.white_balance
    exposure *= float(np.clip(automatic, 0.3, 4.0))
    return np.array([1 + warm, 1 + green / 3, 1 - warm], np.float32) * np.float32(exposure)


def _tone(shown: NDArray[np.float32], rng: np.random.Generator, photometry: Photometry) -> NDArray[np.float32]:
    grey = shown @ np.array([0.299, 0.587, 0.114], np.float32)
    saturation = np.float32(1 + rng.uniform(-photometry.saturation, photometry.saturation))
    shown = np.clip(grey[..., None] + saturation * (shown - grey[..., None]), 0.0, 1.0)
    return shown ** np.float32(2.0 ** rng.uniform(-photometry.contrast, photometry.contrast))


def _noise(
    shown: NDArray[np.float32], rng: np.random.Generator, grain: np.random.Generator, photometry: Photometry
) -> NDArray[np.float32]:
    """Darker pixels are noisier in display values; colour noise is coarser than a pixel, as after demosaicing."""
    level = photometry.noise * rng.random() ** 2
    height, width = shown.shape[:2]
    fine = grain.standard_normal((height, width, 1), dtype=np.float32)
    coarse = grain.standard_normal((max(1, height // 2), max(1, width // 2), 3), dtype=np.float32)
    wide = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return shown + np.float32(level) * (fine + 0.6 * wide) * (1.25 - 0.75 * shown)


def _jpeg(image: NDArray[np.uint8], rng: np.random.Generator, photometry: Photometry) -> NDArray[np.uint8]:
    quality = int(rng.integers(photometry.jpeg[0], photometry.jpeg[1] + 1))
    if photometry.jpeg[1] == 0:
        return image
    return compressed(image, quality)


def compressed(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB after JPEG compression of this quality, 1 to 100."""
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"JPEG compression of an image of shape {image.shape} failed")
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
