"""Functions of arrays that torch or, where it is not imported, numpy computed.

A student's outputs hold torch's tensors, or numpy's arrays where ONNX Runtime computed them. Both know arithmetic and
indices alike; what they do not is here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_array(value: Any) -> bool:
    """Whether it is one of torch's or numpy's."""
    return hasattr(value, "ndim") and hasattr(value, "dtype")


def to_numpy(array: Any) -> NDArray[np.float32]:
    """The same numbers in float32, whatever the device and the type."""
    if isinstance(array, np.ndarray):
        return array.astype(np.float32, copy=False)
    return array.detach().float().cpu().numpy()


def sigmoid(array: Any) -> Any:
    """In float32."""
    if isinstance(array, np.ndarray):
        with np.errstate(over="ignore"):  # 1 / infinity is the right answer
            return 1 / (1 + np.exp(-array.astype(np.float32, copy=False)))
    return array.float().sigmoid()


def exp(array: Any) -> Any:
    return np.exp(array) if isinstance(array, np.ndarray) else array.exp()


def atan2(y: Any, x: Any) -> Any:
    return np.arctan2(y, x) if isinstance(y, np.ndarray) else y.atan2(x)


def copied(array: Any) -> Any:
    return array.copy() if isinstance(array, np.ndarray) else array.clone()
