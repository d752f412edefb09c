"""Entry point of the spatial node. Everything heavy is imported inside, where Ctrl-C is already taken care of."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from distill3d_ros.nodes.node_context import node_context, run_main, spin
from distill3d_ros.system.memory import lasting_objects


def main(args: Sequence[str] | None = None) -> int:
    """``spatial_node [--ros-args ...]``"""
    return run_main(_main, args)


def _main(args: Sequence[str] | None) -> int:
    with lasting_objects():
        from distill3d_ros.nodes.spatial.spatial_lifecycle_node import EXECUTOR_THREADS, SpatialNode

    with node_context(SpatialNode, args) as node:
        if node.setting("autostart") and not node.start():
            return 1
        spin(node, threads=EXECUTOR_THREADS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
