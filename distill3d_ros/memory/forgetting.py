"""The rule by which a memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterable

from distill3d_ros.memory.settings import MemorySettings
from distill3d_ros.memory.thing import Thing, half_life_s


def excess_things(things: Iterable[Thing], now_ns: int, settings: MemorySettings) -> list[Thing]:
    """Those to forget: gone ones not seen for ``keep_gone_s``, tentative ones and people not seen for ten half-lives
    or an hour, whichever is less, and above ``most_things`` the gone ones first, then the tentative, then those of
    least confidence."""
    kept: list[Thing] = []
    forgotten: list[Thing] = []
    for thing in things:
        age = (now_ns - thing.last_seen_ns) * 1e-9
        passing = thing.state == "tentative" or half_life_s(thing.label) < 3600
        is_old = age > (min(3600.0, 10 * half_life_s(thing.label)) if passing else settings.keep_gone_s)
        (forgotten if is_old and (passing or thing.state == "gone") else kept).append(thing)
    excess = len(kept) - settings.most_things
    if excess > 0:
        order = {"gone": 0, "tentative": 1, "present": 2}
        kept.sort(key=lambda t: (order[t.state], t.confidence(now_ns)))
        forgotten += kept[:excess]
    return forgotten
