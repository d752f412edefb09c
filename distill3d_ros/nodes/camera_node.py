"""Entry point of the camera node. Everything heavy is imported inside, where Ctrl-C is already taken care of."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from distill3d_ros.nodes.node_context import node_context, run_main, spin


def main(args: Sequence[str] | None = None) -> int:
    """``camera_node [--ros-args ...]``"""
    return run_main(_main, args)


def _main(args: Sequence[str] | None) -> int:
    from distill3d_ros.nodes.camera.camera_player import CameraNode

    with node_context(CameraNode, args) as node:
        spin(node, threads=2)
        return 1 if node.failure else 0


if __name__ == "__main__":
    sys.exit(main())
