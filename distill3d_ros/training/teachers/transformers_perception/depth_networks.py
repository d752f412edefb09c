"""Depth of single pictures from public networks: metres where the network says metres, else relative depth."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.training.teachers.transformers_perception.networks import Network, load_network

DepthOutput = Literal["metric", "inverse"]
"""``metric``: metres. ``inverse``: inverse depth up to a scale and a shift, as MiDaS and Depth Anything learn it."""
KINDS: Final = ("depth_anything", "dpt", "glpn", "zoedepth")
NEAREST, FARTHEST = 1.0, 10.0
"""Relative depth is given between these, in no unit: only its inverse up to a scale and a shift means something."""


class DepthNetwork:
    """A network that estimates the depth of every pixel.

    Args:
        output: what the network's numbers mean; None where its configuration says it.

    Raises:
        ValueError: the configuration does not say it, or says another thing.
    """

    def __init__(self, network: Network, output: DepthOutput | None = None) -> None:
        self.network = network
        stated = _stated_output(network)
        if stated is None and output is None:
            raise ValueError(
                f"--depth-output must say what '{network.source}' estimates, metric or inverse: its model card tells; "
                f"there are {network.kind} networks of both kinds. Got none"
            )
        if stated is not None and output not in (None, stated):
            raise ValueError(
                f"--depth-output: the configuration of '{network.source}' says {stated}; leave it out. Got {output}"
            )
        self.output: DepthOutput = stated or output or "metric"

    @property
    def relative(self) -> bool:
        return self.output == "inverse"

    @torch.inference_mode()
    def estimate(self, image: NDArray[np.uint8]) -> FloatArray:
        """(H/2, W/2) depth of a picture (H, W, 3): metres along the optical axis, or ``relative_depth``."""
        height, width = image.shape[:2]
        inputs, covered = self._prepare(image)
        out = self.network.model(pixel_values=inputs.to(self.network.device)).predicted_depth
        grid = (max(1, height // 2), max(1, width // 2))
        found = sampled(out.float(), covered, grid)[0].cpu().numpy()
        return relative_depth(found) if self.relative else np.maximum(found, 0.0)

    def describe(self) -> dict[str, Any]:
        return {**self.network.describe(), "output": self.output}

    def _prepare(self, image: NDArray[np.uint8]) -> tuple[Tensor, tuple[float, float, float, float]]:
        """The network's input, and the part of it that the picture covers: left, top, right, bottom in 0..1."""
        processor = self.network.processor
        inputs = processor(images=image, return_tensors="pt")["pixel_values"]
        if not getattr(processor, "do_pad", False):
            return inputs, (0.0, 0.0, 1.0, 1.0)
        height, width = image.shape[:2]
        if self.network.kind == "zoedepth":  # pads by a reflection before it resizes
            top, left = (int(np.sqrt(side / 2) * 3) for side in (height, width))
            whole = height + 2 * top, width + 2 * left
        else:  # pads around the resized picture, to a multiple
            height, width = processor(images=image, do_pad=False, return_tensors="pt")["pixel_values"].shape[-2:]
            whole = int(inputs.shape[-2]), int(inputs.shape[-1])
            top, left = (whole[0] - height) // 2, (whole[1] - width) // 2
        return inputs, (left / whole[1], top / whole[0], (left + width) / whole[1], (top + height) / whole[0])


def load_depth_network(source: str, *, output: DepthOutput | None, device: torch.device) -> DepthNetwork:
    """A network in a folder, or ``owner/name@revision`` on a hub.

    Raises:
        FileNotFoundError: it is neither here nor can it be fetched.
        ValueError: it is a network of another task, or what its numbers mean is not known.
    """
    kinds = dict.fromkeys(KINDS, (AutoModelForDepthEstimation, AutoImageProcessor))
    task = "depth of single pictures"
    return DepthNetwork(load_network(source, option="--depth", task=task, kinds=kinds, device=device), output)


def sampled(image: Tensor, covered: tuple[float, float, float, float], grid: tuple[int, int]) -> Tensor:
    """(B, h, w) images at the centres of a grid of cells over a part of them, bilinear: (B, rows, columns).

    Args:
        covered: left, top, right and bottom of the part, 0..1 between the outer edges of the image.
        grid: rows and columns.
    """
    left, top, right, bottom = covered
    x, y = (
        2 * (low + (torch.arange(n, device=image.device) + 0.5) / n * (high - low)) - 1
        for low, high, n in ((left, right, grid[1]), (top, bottom, grid[0]))
    )
    at = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).to(image.dtype)  # (rows, columns, 2)
    at = at[None].expand(len(image), -1, -1, -1)
    return functional.grid_sample(image[:, None], at, padding_mode="border", align_corners=False)[:, 0]


def relative_depth(inverse: FloatArray) -> FloatArray:
    """Depth without a unit, ``NEAREST``..``FARTHEST``, whose inverse is ``inverse`` but for a scale and a shift.

    Where the network sees no difference at all, everything is unknown (0).
    """
    low, high = float(inverse.min()), float(inverse.max())
    if not high > low:
        return np.zeros_like(inverse)
    share = (inverse - low) / (high - low)
    return np.asarray(1 / (1 / FARTHEST + share * (1 / NEAREST - 1 / FARTHEST)), np.float32)


def _stated_output(network: Network) -> DepthOutput | None:
    if network.kind == "depth_anything":
        return "metric" if network.config.depth_estimation_type == "metric" else "inverse"
    return "metric" if network.kind in ("glpn", "zoedepth") else None
