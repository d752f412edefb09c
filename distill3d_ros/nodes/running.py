"""From a console script to a clean end: every way out of a node leaves without a traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from distill3d_ros.environment import ros_environment


def run_main(main: Callable[[Sequence[str] | None], int], args: Sequence[str] | None) -> int:
    """Runs a node's main; Ctrl-C and SIGTERM at any moment, even while it still imports, end it with code 0.

    A ValueError, RuntimeError or OSError is a message for the node's user, not a traceback.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return main(args)
    except KeyboardInterrupt:
        return 0
    except (ValueError, RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def living(make_node: Callable[[], Any], args: Sequence[str] | None) -> Iterator[Any]:
    """Starts ROS, makes the node, and takes both down again whatever happens; the node needs a ``close()``."""
    # Fast DDS's own shared memory is too small for images; a profile that is set already stays.
    os.environ.update(ros_environment())
    import rclpy

    node = None
    try:
        rclpy.init(args=None if args is None else list(args))
        node = make_node()
        yield node
    finally:
        # A second Ctrl-C must not break the tidying up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()


def spin(node: Any, *, threads: int) -> None:
    """Serves a node until somebody ends the process or its context."""
    from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor

    executor = MultiThreadedExecutor(num_threads=threads)
    executor.add_node(node)
    try:
        executor.spin()
    except ExternalShutdownException:
        pass
    finally:
        executor.remove_node(node)
        executor.shutdown(timeout_sec=2.0)


def _interrupt(signum: int, _: Any) -> None:
    raise KeyboardInterrupt
