"""The engine: a trained student that perceives frames and answers questions about them. Knows no ROS."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distill3d_ros.engine.engine import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    """``Engine``, imported at its first use: the worker and the keyframes need no torch."""
    if name == "Engine":
        from distill3d_ros.engine.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
