"""The node's time: which clock counts, whether it runs, and when it began anew."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
"""For timers that must run whatever becomes of /clock."""
LONGEST_DELAY_S = 60.0
"""A stamp farther back comes from another clock or a bag, and tells nothing of the frame's age."""
_AHEAD_S = 0.2


class TimeWatch:
    """Counts seconds by the node's clock, steady as long as a simulated one has not begun."""

    def __init__(self, node: Node, *, on_jump_back: Callable[[], None]) -> None:
        """``on_jump_back`` is called when simulated time goes back: a bag loops, a simulator was reset."""
        self._node = node
        self._clock = node.get_clock()
        self._started = time.monotonic()
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False)
        self._jumps = self._clock.create_jump_callback(threshold, post_callback=lambda _: on_jump_back())
        self.delay_s: float | None = None
        """Seconds from the newest image's stamp to its arrival; negative: its clock is ahead. None before the first."""

    @property
    def simulated(self) -> bool:
        """Whether time comes from /clock."""
        return bool(self._node.get_parameter("use_sim_time").value)

    @property
    def stands_still(self) -> bool:
        """Whether it should, and does not."""
        return self.simulated and self._clock.now().nanoseconds == 0

    def seconds(self) -> float:
        """For the age of frames: it stops with the simulation, and no correction of the system's clock moves it."""
        return self._clock.now().nanoseconds / 1e9 if self.simulated and not self.stands_still else time.monotonic()

    def stamp_ns(self) -> int:
        """For the stamp of a message; the system's time as long as a simulated one has not begun."""
        return time.time_ns() if self.stands_still else int(self._clock.now().nanoseconds)

    def age_of(self, stamp_ns: int) -> float:
        """Seconds since an image that arrives now was taken, as far as its stamp tells."""
        if self.stands_still:
            return 0.0
        self.delay_s = (self._clock.now().nanoseconds - stamp_ns) / 1e9
        return self.delay_s if 0.0 < self.delay_s < LONGEST_DELAY_S else 0.0

    def complaint(self, *, after_s: float) -> str:
        """What is wrong with time; empty for nothing."""
        if self.stands_still:
            if time.monotonic() - self._started < after_s:
                return ""
            publishers = self._node.count_publishers("/clock")
            return (
                f"`use_sim_time` is true, but no time comes on /clock ({publishers} publishers): start the simulator, "
                "play the bag with --clock, or set `use_sim_time` to false"
            )
        if self.delay_s is not None and self.delay_s < -_AHEAD_S:
            return (
                f"images have stamps {-self.delay_s:.1f} s ahead of this node's clock: tf cannot be looked up at them; "
                "synchronise the clocks, or set `use_sim_time` as the camera has it"
            )
        return ""

    def close(self) -> None:
        self._jumps.unregister()
