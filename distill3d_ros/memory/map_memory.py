"""The memory of one map: frames in, things and events out.

**New.** A sighting without a match begins a *tentative* thing. It is *present*, and an event ``new`` tells it, when it
was seen ``sightings_to_confirm`` times and its log-odds of existence have reached ``present_at``. Each sighting adds
``seen_gain`` times its score.

**Gone.** A frame that saw through its box takes ``seen_through_loss``; a frame that had its place in plain view, as
near as usual, and did not detect it takes ``missed_loss`` times -log(1 - its detection rate so far): little from a
thing that is often missed. Out of view and occluded take nothing. At ``gone_at`` a present thing is *gone*; a tentative
one is dropped at zero. Between ``gone_at`` and ``present_at`` nothing changes: that is the hysteresis.

**Back.** A gone thing that is seen at its place again is *present* at ``present_at``.

**Moved.** Three sightings in a row inside the gate but beyond 95 % of what the covariances allow move a thing. So does
the pairing of a gone thing with a new one of its name and size that appeared within ``moved_within_s`` of its last
sighting and ``moved_reach_m`` of its place: the thing keeps its old id. Either is told when it is ``moved_m`` or more.

**One thing, two entries.** Entries of one name whose boxes share a third of the smaller one are one; the older id
stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from distill3d_ros.memory.events import Event, EventKind
from distill3d_ros.memory.existence import evidence
from distill3d_ros.memory.forgetting import excess_things
from distill3d_ros.memory.matching import likeness_cost, match
from distill3d_ros.memory.observation import Observation, same_name, shared_part, sightings
from distill3d_ros.memory.pose_gate import Disbelief, PoseGate
from distill3d_ros.memory.settings import MemorySettings
from distill3d_ros.memory.thing import Thing
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Scene, SceneObject

_LIKE_COST = 8.0
"""Of label, size and front, below which a new thing may be a gone one that moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What a frame changed."""

    disbelief: Disbelief = ""
    """Why the frame was not believed; empty when it was."""
    matched: dict[int, int] = field(default_factory=dict)
    """Id of the scene's object -> id of the thing."""
    events: tuple[Event, ...] = ()


class MapMemory:
    """Things and events of one map."""

    def __init__(
        self,
        map_id: str,
        *,
        settings: MemorySettings | None = None,
        things: Iterable[Thing] = (),
        events: Iterable[Event] = (),
        next_id: int = 1,
        newest_ns: int | None = None,
    ) -> None:
        if not map_id:
            raise ValueError("map_id must name the map; an empty one would mix the things of all maps. Got ''")
        self.map_id = map_id
        self.settings = settings or MemorySettings()
        self.things: dict[int, Thing] = {t.id: t for t in things}
        self.events: list[Event] = list(events)
        self.next_id = max([next_id, *(i + 1 for i in self.things)])
        self.newest_ns = newest_ns
        """Stamp of the newest frame that was believed."""
        self.changed: set[int] = set()
        """Ids to be written, and in ``removed`` those to be deleted, since the store last did so."""
        self.removed: set[int] = set()
        self._gate = PoseGate(self.settings)
        if newest_ns is not None:
            self._gate.resume(newest_ns)

    def observe(self, observation: Observation) -> Update:
        """Takes in one frame, in the order of their stamps."""
        disbelief = self._gate.judge(observation)
        if disbelief:
            return Update(disbelief=disbelief)
        stamp = self.newest_ns = observation.scene.stamp_ns
        before = len(self.events)
        seen = sightings(observation, self.settings)
        things = list(self.things.values())
        matches = match(things, seen, stamp_ns=stamp, settings=self.settings)
        ids: dict[int, int] = {}
        for m in matches:
            thing, sighting = things[m.thing], seen[m.sighting]
            earlier = thing.center
            moved = thing.fuse(sighting, m.distance2, stamp_ns=stamp, settings=self.settings)
            self._believe(thing, self.settings.seen_gain * sighting.score)
            if moved >= self.settings.moved_m and thing.state == "present":
                self._tell("moved", thing, earlier_place=earlier)
            ids[m.sighting] = thing.id
        for j, sighting in enumerate(seen):
            if j not in ids:
                ids[j] = self.next_id
                thing = Thing.from_sighting(sighting, thing_id=self.next_id, stamp_ns=stamp, settings=self.settings)
                self.things[self.next_id] = thing
                self.next_id += 1
        self.changed |= set(ids.values())
        matched = set(ids.values())
        self._look_through([t for t in things if t.id not in matched], observation)
        aliases = self._merge_duplicates(matched) | self._pair_moved()
        self._forget(stamp)
        final = {seen[j].object_id: _resolved(i, aliases) for j, i in ids.items()}
        return Update(matched=final, events=tuple(self.events[before:]))

    def remembered(self, *, tentative: bool = False) -> list[Thing]:
        """The things that are taken to be there; with ``tentative`` also those seen too seldom to be sure."""
        return [t for t in self.things.values() if t.state == "present" or (tentative and t.state == "tentative")]

    def scene(self, like: Scene) -> Scene:
        """The present things as a scene in the map's level frame, for questions about relations among them; ``like``
        gives the intrinsics."""
        objects = tuple(
            SceneObject(
                id=t.id,
                label=t.label,
                box=t.box,
                score=t.existence,
                label_scores=t.labels,
                has_front=t.has_front,
            )
            for t in self.remembered()
        )
        return Scene(objects=objects, intrinsics=like.intrinsics, stamp_ns=self.newest_ns or 0, frame_id=self.map_id)

    def _believe(self, thing: Thing, change: float) -> None:
        """Adds to the log-odds and decides the state, with hysteresis."""
        s = self.settings
        thing.log_odds = float(np.clip(thing.log_odds + change, s.gone_at, s.largest_log_odds))
        enough = thing.log_odds >= s.present_at and thing.sightings >= s.sightings_to_confirm
        if thing.state != "present" and enough:
            kind: EventKind = "new" if thing.state == "tentative" else "back"
            thing.state = "present"
            self._tell(kind, thing)
        elif thing.state == "present" and thing.log_odds <= s.gone_at:
            thing.state = "gone"
            self._tell("gone", thing)
        elif thing.state == "tentative" and thing.log_odds <= 0:
            self._remove(thing)
        self.changed.add(thing.id)

    def _look_through(self, things: list[Thing], observation: Observation) -> None:
        s = self.settings
        for thing, found in zip(things, evidence(things, observation, s), strict=True):
            if found == "seen_through":
                self._believe(thing, -s.seen_through_loss)
            elif found == "missed":
                rate = min(0.95, (thing.sightings + 1) / (thing.sightings + thing.missed + 2))
                thing.missed += 1
                self._believe(thing, s.missed_loss * math.log(1 - rate))

    def _merge_duplicates(self, matched: set[int]) -> dict[int, int]:
        aliases: dict[int, int] = {}
        all_things = [t for t in self.things.values() if t.state != "gone"]
        if not all_things or not matched:
            return aliases
        centers = np.stack([t.center for t in all_things])
        radii = np.linalg.norm(np.stack([t.size for t in all_things]), axis=1) / 2
        for i in sorted(matched & self.things.keys()):
            thing = self.things.get(i)  # None: merged in this very loop
            if thing is None:
                continue
            reach = np.linalg.norm(centers - thing.center, axis=1) < radii + np.linalg.norm(thing.size) / 2
            other = self._duplicate_of(thing, [all_things[k] for k in np.flatnonzero(reach).tolist()])
            if other is not None:
                older, younger = sorted((thing, other), key=lambda t: (t.state == "tentative", t.id))
                self._merge(older, younger)
                aliases[younger.id] = older.id
        return aliases

    def _duplicate_of(self, thing: Thing, near: list[Thing]) -> Thing | None:
        for other in near:
            if other is thing or other.id not in self.things or not same_name(other.labels, thing.labels):
                continue
            if shared_part(other.box, thing.box) > 1 / 3:
                return other
        return None

    def _merge(self, older: Thing, younger: Thing) -> None:
        """The older id stays, with the place and the size of the better known one of those seen last."""
        better = max((older, younger), key=lambda t: (t.last_seen_ns, -float(np.trace(t.covariance))))
        self._take_over(older, younger, place_of=better)
        if older.state == "present" and younger.state == "present":
            self._tell("merged", older, other_id=younger.id)
        self._remove(younger)

    def _take_over(self, kept: Thing, given: Thing, *, place_of: Thing) -> None:
        if place_of is given:
            kept.center, kept.covariance, kept.sectors = given.center, given.covariance, given.sectors
            kept.size, kept.yaw, kept.has_front = given.size, given.yaw, given.has_front
        for name, count in given.label_counts.items():
            kept.label_counts[name] = kept.label_counts.get(name, 0.0) + count
        kept.sightings += given.sightings
        kept.first_seen_ns = min(kept.first_seen_ns, given.first_seen_ns)
        kept.last_seen_ns = max(kept.last_seen_ns, given.last_seen_ns)
        kept.log_odds = max(kept.log_odds, given.log_odds)
        self.changed.add(kept.id)

    def _pair_moved(self) -> dict[int, int]:
        """Gone things that a new one of their kind explains take its place and keep their own id."""
        aliases: dict[int, int] = {}
        gone = [t for t in self.things.values() if t.state == "gone"]
        for new in [t for t in self.things.values() if t.state == "present"] if gone else []:
            costs = [(self._moved_cost(old, new), old.id) for old in gone if old.state == "gone"]
            cost, best = min(costs, default=(math.inf, 0))
            if cost < _LIKE_COST:
                old = self.things[best]
                earlier = old.center
                old.state = "present"
                self._take_over(old, new, place_of=new)
                self._remove(new)
                self._tell("moved", old, earlier_place=earlier, other_id=new.id)
                aliases[new.id] = old.id
        return aliases

    def _moved_cost(self, old: Thing, new: Thing) -> float:
        s = self.settings
        seconds = (new.first_seen_ns - old.last_seen_ns) * 1e-9
        reach = float(np.linalg.norm(new.center - old.center))
        if not (0 <= seconds <= s.moved_within_s and s.moved_m <= reach <= s.moved_reach_m):
            return math.inf
        return likeness_cost(old, new, s) if same_name(old.labels, new.labels) else math.inf

    def _forget(self, stamp_ns: int) -> None:
        for thing in excess_things(self.things.values(), stamp_ns, self.settings):
            self._remove(thing)
        del self.events[: max(0, len(self.events) - self.settings.most_events)]

    def _remove(self, thing: Thing) -> None:
        if self.things.pop(thing.id, None) is not None:
            self.removed.add(thing.id)

    def _tell(
        self, kind: EventKind, thing: Thing, *, earlier_place: FloatArray | None = None, other_id: int | None = None
    ) -> None:
        number = self.events[-1].number + 1 if self.events else 1
        event = Event(
            number=number,
            kind=kind,
            thing_id=thing.id,
            label=thing.label,
            stamp_ns=self.newest_ns or 0,
            place=thing.center.copy(),
            earlier_place=None if earlier_place is None else earlier_place.copy(),
            other_id=other_id,
        )
        self.events.append(event)


def _resolved(thing_id: int, aliases: dict[int, int]) -> int:
    while thing_id in aliases:
        thing_id = aliases[thing_id]
    return thing_id
