"""Pictures as another camera would have taken them: colours, blur, noise, compression; no change of geometry."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.training.augment_config import AugmentConfig
from distill3d_ros.worlds.photometry import compressed, motion_kernel

SHARP = 0.3
"""Share of the pictures that lens blur leaves alone."""
MOTION_PIXELS = (2.0, 5.0)


def random_camera(image: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W, 3) RGB with the effects in the order of a camera: lens, colours, noise, compression.

    What is switched off draws nothing from ``rng``.
    """
    if config.blur > 0:
        image = lens_blur(image, config.blur * (rng.random() - SHARP) / (1 - SHARP))
    if config.motion > 0 and rng.random() < config.motion:
        kernel = motion_kernel(rng.uniform(0, np.pi), rng.uniform(*MOTION_PIXELS))
        image = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
    if config.white_balance > 0:
        image = balanced(image, *rng.uniform(-config.white_balance, config.white_balance, 2))
    image = jitter_color(image, config.color, config.noise, rng)
    if config.jpeg[1] > 0:
        image = compressed(image, int(rng.integers(config.jpeg[0], config.jpeg[1] + 1)))
    return image


def lens_blur(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Gaussian blur; nothing below 0.15 pixels."""
    if sigma < 0.15:
        return image
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8, copy=False)


def balanced(image: NDArray[np.uint8], warm: float, green: float) -> NDArray[np.uint8]:
    """Red multiplied by 1 + ``warm``, blue by 1 - ``warm``, green by 1 + ``green`` / 3."""
    gains = np.array([1 + warm, 1 + green / 3, 1 - warm])
    table = np.clip(np.arange(256)[:, None] * gains + 0.5, 0, 255).astype(np.uint8)
    return cv2.LUT(image, np.ascontiguousarray(table[None])).astype(np.uint8, copy=False)


def jitter_color(
    image: NDArray[np.uint8], strength: float, noise: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Other exposure, white balance, contrast and saturation, and some pixel noise."""
    if strength > 0:
        gain = np.exp(rng.normal(0, strength / 2)) * np.exp(rng.normal(0, strength / 6, 3))
        gamma = np.exp(rng.normal(0, strength / 2))
        x = np.linspace(0, 1, 256)[:, None]
        table = np.clip(x**gamma * gain * 255, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, np.ascontiguousarray(table[None])).astype(np.uint8, copy=False)
        saturation = np.exp(rng.normal(0, strength))
        gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, float(saturation), gray, float(1 - saturation), 0).astype(np.uint8, copy=False)
    if noise > 0:
        sigma = rng.uniform(0, noise) * 255
        # The same small block of noise at a random offset costs a tenth of fresh noise and looks no different.
        offset = int(rng.integers(0, 2**20))
        block = _noise(image.size + 2**20)[offset : offset + image.size].reshape(image.shape)
        image = np.clip(image.astype(np.float32) + block * np.float32(sigma), 0, 255).astype(np.uint8)
    return image


@lru_cache(maxsize=2)
def _noise(n: int) -> FloatArray:
    return np.random.default_rng(0).standard_normal(n, dtype=np.float32)
