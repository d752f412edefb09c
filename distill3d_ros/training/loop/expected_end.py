"""Expected end of a long run, from its speed so far."""

from __future__ import annotations

from datetime import datetime, timedelta


def minutes_left(
    *, step: int, steps: int, minutes_per_step: float, minutes: float = 0.0, most_minutes: float = 0.0
) -> float:
    """Minutes until the steps or the planned minutes are over, whichever comes first.

    Args:
        step: steps done.
        steps: planned.
        minutes: of work so far.
        most_minutes: planned; 0 is no limit.
    """
    left = (steps - step) * minutes_per_step
    return max(0.0, min(left, most_minutes - minutes) if most_minutes else left)


def describe_end(minutes: float, now: datetime | None = None) -> str:
    """ "2 h 05 min left, ends about Tue 14:30"."""
    end = (now or datetime.now()) + timedelta(minutes=minutes)
    whole = round(minutes)
    duration = f"{whole // 60} h {whole % 60:02d} min" if whole >= 60 else f"{whole} min"
    return f"{duration} left, ends about {end:%a %H:%M}"
