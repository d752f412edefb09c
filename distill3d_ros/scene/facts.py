"""What can be asked about a scene, not yet in words: facts with clear answers.

Margin bands are respected, two things are only compared if their names are unambiguous, and of questions that mean
the same ("is A left of B", "is B right of A") one is taken, by a hash of the ids that knows nothing of the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from distill3d_ros.scene import answer_text
from distill3d_ros.scene.answer import Answer
from distill3d_ros.scene.kinds import KINDS, NAMING_SLOTLESS
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.naming import SURFACES, name_thing
from distill3d_ros.scene.objects import Scene, SceneObject
from distill3d_ros.scene.relations import Relations
from distill3d_ros.scene.thresholds import THRESHOLDS, Thresholds

_CLEAR = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class Fact:
    """Something askable about a scene together with its answer."""

    kind: str
    """A key of KINDS."""
    labels: tuple[str, ...]
    """The names mentioned, in the order of the kind's slots."""
    object_ids: tuple[int | None, ...]
    """Referent of each name; None for what is absent and for counts."""
    answer: Answer
    group: str
    """Balancing key: the kind and the names. Within a group the answers are to be balanced."""
    accepted: tuple[str, ...] = ()
    """Labels that are right as well, where a naming question has several right answers."""


def facts(
    scene: Scene,
    *,
    min_visible_pixels: int | None = None,
    thresholds: Thresholds = THRESHOLDS,
) -> list[Fact]:
    """Everything that can be asked about a scene with a clear answer.

    ``min_visible_pixels``: what an object must show to be asked about; by default a share of the image. Objects whose
    visible pixels are unknown count as visible.
    """
    return list(_Facts(scene, min_visible_pixels, thresholds).all())


class _Facts:
    """The visible part of one scene, and the generators of its facts."""

    def __init__(self, scene: Scene, min_visible_pixels: int | None, thresholds: Thresholds) -> None:
        pixels = scene.intrinsics.width * scene.intrinsics.height
        enough = thresholds.min_visible_fraction * pixels if min_visible_pixels is None else min_visible_pixels
        glimpse = min(enough, max(1.0, thresholds.glimpse_fraction * pixels))
        seen = [o for o in scene.objects if o.visible_pixels is None or o.visible_pixels >= glimpse]
        self.t = thresholds
        self.scene = scene
        self.relations = Relations(scene, seen, thresholds)
        self.clear = np.array([o.visible_pixels is None or o.visible_pixels >= enough for o in seen], bool)
        self.seen_labels = Counter(o.label for o in seen)
        self.unique = [i for i, o in enumerate(seen) if self.clear[i] and self.seen_labels[o.label] == 1]
        present = {o.label for o in scene.objects}
        self.absent = [label for label in LABELS if label not in present]

    def all(self) -> Iterator[Fact]:
        yield from self._pairs()
        yield from self._triples()
        yield from self._singles()
        yield from self._naming()
        yield from self._categories()
        yield from self._absent()

    def _object(self, i: int) -> SceneObject:
        return self.relations.objects[i]

    def _pairs(self) -> Iterator[Fact]:
        """Yes/no and choice questions about two things."""
        matrices = {name: getattr(self.relations, name).tolist() for name in _SYMMETRIC + _DIRECTED + _ASYMMETRIC}
        gap = self.relations.gap.tolist()
        for x, i in enumerate(self.unique):
            for j in self.unique[x + 1 :]:
                a, b = self._object(i), self._object(j)
                ids = (a.id, b.id)
                names = (a.label, b.label)
                forward = _PairFacts(names, ids)
                backward = _PairFacts(names[::-1], ids[::-1])
                mix = (a.id * 0x9E3779B1 ^ b.id * 0x85EBCA6B) >> 5
                for name in _SYMMETRIC:
                    score = matrices[name][i][j]
                    if abs(score) >= _CLEAR:
                        if name == "near" and mix & 1:
                            yield forward.yes_no("far", score < 0, symmetric=True)
                        else:
                            yield forward.yes_no(name, score > 0, symmetric=True)
                for name in _DIRECTED:  # both directions may be false, so both are facts of their own
                    there, back = matrices[name][i][j], matrices[name][j][i]
                    first, second = (forward, backward) if mix & 2 else (backward, forward)
                    if not mix & 2:
                        there, back = back, there
                    opposite = _OPPOSITE.get(name) if mix & 4 else None
                    if abs(there) >= _CLEAR:
                        yield (second.yes_no(opposite, there > 0) if opposite else first.yes_no(name, there > 0))
                    if back >= _CLEAR:
                        yield (first.yes_no(opposite, True) if opposite else second.yes_no(name, True))
                for k, name in enumerate(_ASYMMETRIC):
                    score = matrices[name][i][j]
                    if abs(score) < _CLEAR:
                        continue
                    bits = mix >> (3 * k)
                    asked = forward if bits & 1 else backward
                    holds = (score > 0) == bool(bits & 1)
                    opposite = _OPPOSITE.get(name)
                    if opposite and bits & 2:
                        asked, kind = (backward if bits & 1 else forward), opposite
                    else:
                        kind = name
                    if kind in KINDS:
                        yield asked.yes_no(kind, holds)
                    which, which_not = _CHOICES.get(name, (None, None))
                    if which:
                        winner = (score > 0) != bool(bits & 4)  # the opposite question has the other answer
                        order = forward if bits & 2 else backward
                        yield order.choice(which_not if bits & 4 else which, 0 if winner == bool(bits & 2) else 1)
                if self.scene.is_metric and gap[i][j] >= self.t.measured_gap:
                    yield forward.metric("distance_between", gap[i][j])

    def _triples(self) -> Iterator[Fact]:
        """Which of two things is closer to a third: for each anchor and thing one partner, else there are thousands."""
        n = len(self.unique)
        if n < 3:
            return
        gap = self.relations.gap.tolist()
        for x, anchor in enumerate(self.unique):
            others = self.unique[:x] + self.unique[x + 1 :]
            step = 1 + self._object(anchor).id % (n - 2) if n > 3 else 1
            for y, i in enumerate(others):
                j = others[(y + step) % (n - 1)]
                if i == j:
                    continue
                gi, gj = gap[anchor][i], gap[anchor][j]
                if abs(gj - gi) < max(self.t.closer_gap, self.t.closer_gap_share * (gi + gj) / 2):
                    continue
                o, a, b = self._object(anchor), self._object(i), self._object(j)
                farther = (a.id + b.id + o.id) % 2 == 1
                winner = a if (gi < gj) != farther else b
                kind = "farther" if farther else "closer"
                yield Fact(
                    kind,
                    (o.label, a.label, b.label),
                    (o.id, a.id, b.id),
                    answer_text.choice(winner.label, (winner.id, o.id)),
                    f"{kind}:{o.label}|{'|'.join(sorted((a.label, b.label)))}",
                )

    def _singles(self) -> Iterator[Fact]:
        """Questions about one thing and the camera."""
        r = self.relations
        for i in self.unique:
            o = self._object(i)
            side = float(r.left_side[i])
            if abs(side) >= _CLEAR:
                kind, value = ("left_side", side > 0) if o.id % 2 else ("right_side", side < 0)
                yield Fact(kind, (o.label,), (o.id,), answer_text.yes_no(value, (o.id,)), f"{kind}:{o.label}")
            if not self.scene.is_metric:
                continue
            for kind, measure in (("distance_to", r.distance[i]), ("height_of", r.height[i]), ("width_of", r.width[i])):
                if kind != "distance_to" or measure >= self.t.measured_distance:
                    answer = answer_text.metres(float(measure), (o.id,))
                    yield Fact(kind, (o.label,), (o.id,), answer, f"{kind}:{o.label}")

    def _naming(self) -> Iterator[Fact]:
        for kind, spec in KINDS.items():
            if spec.family != "naming":
                continue
            for reference in [None] if kind in NAMING_SLOTLESS else self.unique:
                named = name_thing(self.relations, kind, reference, clear=self.clear)
                if named is None:
                    continue
                reference_object = None if reference is None else self._object(reference)
                if named.label == answer_text.NOTHING and not _may_be_empty(kind, reference_object):
                    continue
                labels = () if reference_object is None else (reference_object.label,)
                ids = () if reference_object is None else (reference_object.id,)
                rests_on = (*named.object_ids, *ids)
                answer = answer_text.naming(named.label, rests_on)
                if answer.value in labels:  # "what is nearest to the chair?" - "a chair": another one, but confusing
                    continue
                yield Fact(kind, labels, ids, answer, ":".join((kind, *labels)), named.accepted)

    def _categories(self) -> Iterator[Fact]:
        """Counting and existence. A thing of which too little shows leaves its category out."""
        counts = Counter(o.label for i, o in enumerate(self.relations.objects) if self.clear[i])
        ids: dict[str, tuple[int, ...]] = {}
        for i, o in enumerate(self.relations.objects):
            if self.clear[i]:
                ids[o.label] = (*ids.get(o.label, ()), o.id)
        for label in LABELS:
            if counts[label]:
                yield Fact("exists", (label,), (None,), answer_text.yes_no(True, ids[label]), f"exists:{label}")
            elif not self.seen_labels[label]:
                yield Fact("exists", (label,), (None,), answer_text.yes_no(False), f"exists:{label}")
            if counts[label] == self.seen_labels[label]:
                answer = answer_text.count(counts[label], ids.get(label, ()))
                yield Fact("count", (label,), (None,), answer, f"count:{label}")

    def _absent(self) -> Iterator[Fact]:
        """For every kind that names things one question about something that is not there."""
        if not self.absent or not self.unique:
            return
        for k, (kind, spec) in enumerate(KINDS.items()):
            if spec.slots == 0 or spec.family in ("existence", "counting"):
                continue
            if spec.slots > len(self.unique) or (spec.form == "metric" and not self.scene.is_metric):
                continue
            start = self._object(self.unique[0]).id * 7 + len(self.scene.objects) + k
            there = [self._object(self.unique[(start + s) % len(self.unique)]) for s in range(spec.slots)]
            labels = [o.label for o in there]
            ids: list[int | None] = [o.id for o in there]
            slot = start % spec.slots
            labels[slot] = self.absent[(start * 13) % len(self.absent)]
            ids[slot] = None
            yield Fact(kind, tuple(labels), tuple(ids), answer_text.not_seen(labels[slot]), f"{kind}:absent")


class _PairFacts:
    """Facts about one ordered pair; the two yes/no answers are shared by all kinds."""

    __slots__ = ("ids", "names", "no", "ordered", "sorted", "yes")

    def __init__(self, names: tuple[str, str], ids: tuple[int, int]) -> None:
        self.names, self.ids = names, ids
        self.yes, self.no = answer_text.yes_no(True, ids), answer_text.yes_no(False, ids)
        self.ordered = f":{names[0]}|{names[1]}"
        self.sorted = self.ordered if names[0] <= names[1] else f":{names[1]}|{names[0]}"

    def yes_no(self, kind: str, holds: bool, *, symmetric: bool = False) -> Fact:
        group = kind + (self.sorted if symmetric else self.ordered)
        return Fact(kind, self.names, self.ids, self.yes if holds else self.no, group)

    def choice(self, kind: str, winner: int) -> Fact:
        """``winner``: 0 or 1, the place of the right name."""
        answer = answer_text.choice(self.names[winner], (self.ids[winner], self.ids[1 - winner]))
        return Fact(kind, self.names, self.ids, answer, kind + self.sorted)

    def metric(self, kind: str, value: float) -> Fact:
        return Fact(kind, self.names, self.ids, answer_text.metres(value, self.ids), kind + self.sorted)


_SYMMETRIC = ("near", "touching", "against")
_DIRECTED = ("on", "under", "above")
_ASYMMETRIC = ("larger", "taller", "wider", "left_of", "in_front_of", "nearer")
_OPPOSITE = {"above": "below", "left_of": "right_of", "in_front_of": "behind"}
_CHOICES = {
    "larger": ("which_larger", "which_smaller"),
    "taller": ("which_taller", "which_shorter"),
    "wider": ("which_wider", "which_narrower"),
    "left_of": ("which_left", "which_right"),
    "nearer": ("nearer_to_me", "farther_from_me"),
}
"""Score -> the choice question that the higher thing answers, and the one that the lower thing answers."""


def _may_be_empty(kind: str, reference: SceneObject | None) -> bool:
    """Whether "nothing" is a sensible answer: nobody asks what is on a lamp."""
    if kind == "standing_on":  # it stands on the floor, or hangs on a wall
        return False
    return kind not in ("what_is_on", "what_is_under") or (reference is not None and reference.label in SURFACES)
