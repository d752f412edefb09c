"""Random weights, and the files of the fixtures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from support.parity.layers import Array


def random_weights(shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, Array]:
    """Matrices over the square root of what they add up; gains about 1; the rest small. Exact in 16 bits."""
    found = {}
    for name, shape in shapes.items():
        value = rng.normal(size=shape)
        if len(shape) == 1:
            gain = ("norm" in name.lower() and name.endswith("weight")) or name.endswith(".1.weight")
            value = 0.2 * value + gain
            if name.endswith("gamma"):
                value = rng.choice([-1, 1], shape) * rng.uniform(0.2, 0.6, shape)
        elif name.endswith("weight"):
            value *= (np.prod(shape[2:]) * shape[1]) ** -0.5
        else:
            value *= 0.5
        found[name] = value.astype(np.float16).astype(np.float64)
    return found


def save_arrays(values: Mapping[str, Any], path: Path) -> None:
    """As safetensors: 16 bits where those hold the value, else 32."""
    found = {}
    for name, value in values.items():
        array = np.asarray(value)
        if array.dtype == np.float64:
            half = array.astype(np.float16)
            array = half if (half == array).all() else array.astype(np.float32)
        found[name] = np.ascontiguousarray(array)
    save_file(found, path)


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
