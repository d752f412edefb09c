"""Life of a node's process, from the console script to an end without a traceback, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from distill3d_ros.system.environment import ros_environment
from distill3d_ros.system.threads import prepare_threads


class Interrupts:
    """Ctrl-C and SIGTERM at any moment.

    A KeyboardInterrupt would not do: raised under a C++ module that imports or loads, it aborts the process. So until
    the node is served a signal ends the process on the spot, after tidying up; from then on ROS 2 ends the serving.
    """

    def __init__(self) -> None:
        self._tidy: Callable[[], None] | None = lambda: None

    def take(self) -> None:
        """From now on signals come here."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def tidy_with(self, tidy: Callable[[], None]) -> None:
        """Sets the clean-up that a signal runs before it ends the process."""
        self._tidy = tidy

    def leave_to_ros(self) -> None:
        """A signal ends rclpy's context, and with it the serving, and nothing else."""
        self._tidy = None

    def ignore(self) -> None:
        """Nothing disturbs the tidying up."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._tidy is None:
            return
        self.ignore()
        self._tidy()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


_INTERRUPTS = Interrupts()


def run_main(main: Callable[[Sequence[str] | None], int], args: Sequence[str] | None) -> int:
    """Runs a node's main. Signals end it with 0; a ValueError, RuntimeError or OSError is a message and 1."""
    _INTERRUPTS.take()
    prepare_threads()
    try:
        return main(args)
    except (ValueError, RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        _INTERRUPTS.ignore()


@contextlib.contextmanager
def node_context(make_node: Callable[[], Any], args: Sequence[str] | None) -> Iterator[Any]:
    """Starts ROS, makes the node, and takes both down again whatever happens; the node needs a ``close()``."""
    # Fast DDS's own shared memory is too small for images; a profile that is set already stays.
    os.environ.update(ros_environment())
    import rclpy

    try:
        rclpy.init(args=None if args is None else list(args))
        node = make_node()
        _INTERRUPTS.tidy_with(lambda: _take_down(node))
        try:
            yield node
        finally:
            _INTERRUPTS.ignore()
            _take_down(node)
    finally:
        rclpy.try_shutdown()


def spin(node: Any, *, threads: int) -> None:
    """Serves a node until somebody ends the process or its context."""
    from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor

    _INTERRUPTS.leave_to_ros()
    try:
        executor = MultiThreadedExecutor(num_threads=threads)
        executor.add_node(node)
        try:
            executor.spin()
        finally:
            executor.remove_node(node)
            executor.shutdown(timeout_sec=2.0)
    except ExternalShutdownException:
        pass
    except Exception:
        if node.context.ok():  # else a signal came just before, and rclpy has its own words for a closed context
            raise


def _take_down(node: Any) -> None:
    import rclpy

    node.close()
    node.destroy_node()
    rclpy.try_shutdown()
