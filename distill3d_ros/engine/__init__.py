"""The trained student as a tool: frames in, scenes and answers out. Knows no ROS."""

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
