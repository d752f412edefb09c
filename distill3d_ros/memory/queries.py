"""Queries to a memory: where, when, how many, what is here, what has changed.

Labels are names of categories (``scene.labels``); areas and places are in the map, metres; stamps in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill3d_ros.memory.events import Event
from distill3d_ros.memory.map_memory import MapMemory
from distill3d_ros.memory.thing import State, Thing
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Box3D

SEEN_NOW_S = 1.0
"""A thing is seen now when its last sighting is no older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """What the memory says about one thing."""

    thing_id: int
    label: str
    place: FloatArray
    """(3,) centre in the map, metres."""
    covariance: FloatArray
    """(3, 3) of it, grown by what it may have drifted since."""
    box: Box3D
    """In the map's level frame (``observation.MAP_FROM_LEVEL``)."""
    state: State
    seen_now: bool
    """False: remembered."""
    first_seen_ns: int
    last_seen_ns: int
    age_s: float
    """Seconds since the last sighting."""
    confidence: float
    """Probability that it is there now, 0..1 (``Thing.confidence``); of a gone thing, that it was what it is called."""
    sightings: int


def where_is(memory: MapMemory, label: str, *, now_ns: int) -> list[Recollection]:
    """The things of a name that are taken to be there, surest first; empty when none is."""
    found = [recollection(memory, t, now_ns=now_ns) for t in memory.remembered() if t.label == label]
    return sorted(found, key=lambda r: -r.confidence)


def last_seen(memory: MapMemory, label: str, *, now_ns: int) -> Recollection | None:
    """Where and when a thing of a name was last seen, gone ones included; None when there never was one."""
    known = [t for t in memory.things.values() if t.label == label and t.state != "tentative"]
    newest = max(known, key=lambda t: (t.last_seen_ns, t.sightings), default=None)
    return None if newest is None else recollection(memory, newest, now_ns=now_ns)


def how_many(memory: MapMemory, label: str, *, now_ns: int) -> tuple[int, list[Recollection]]:
    """The number of things of a name that are taken to be there, and which."""
    found = where_is(memory, label, now_ns=now_ns)
    return len(found), found


def in_area(memory: MapMemory, polygon: Sequence[Sequence[float]], *, now_ns: int) -> list[Recollection]:
    """The present things whose centres lie above a polygon (N, 2) of the map's floor, in order of their ids.

    Raises:
        ValueError: ``polygon`` has fewer than three corners or is not finite.
    """
    corners = np.asarray(polygon, float)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise ValueError(f"polygon must be at least three finite corners (x, y) in the map. Got {polygon}")
    inside = [t for t in memory.remembered() if _is_inside(t.center[:2], corners)]
    return [recollection(memory, t, now_ns=now_ns) for t in sorted(inside, key=lambda t: t.id)]


def changes_since(memory: MapMemory, since_ns: int) -> list[Event]:
    """What was decided after a stamp, oldest first; a thing's earlier events are left in."""
    return [e for e in memory.events if e.stamp_ns > since_ns]


def recollection(memory: MapMemory, thing: Thing, *, now_ns: int) -> Recollection:
    age = max(0.0, (now_ns - thing.last_seen_ns) * 1e-9)
    gone = thing.state == "gone"
    return Recollection(
        thing_id=thing.id,
        label=thing.label,
        place=thing.center.copy(),
        covariance=thing.predicted_covariance(now_ns, memory.settings),
        box=thing.box,
        state=thing.state,
        seen_now=not gone and age <= SEEN_NOW_S,
        first_seen_ns=thing.first_seen_ns,
        last_seen_ns=thing.last_seen_ns,
        age_s=age,
        confidence=thing.labels[thing.label] if gone else thing.confidence(now_ns),
        sightings=thing.sightings,
    )


def _is_inside(point: FloatArray, polygon: FloatArray) -> bool:
    """Even-odd rule."""
    x, y = point
    ax, ay = polygon.T
    bx, by = np.roll(polygon, -1, axis=0).T
    crosses = (ay > y) != (by > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = ax + (y - ay) / (by - ay) * (bx - ax)
    return bool((crosses & (x < at)).sum() % 2)
