"""Everything that can be asked about a scene with a clear answer, not yet in words.

Margin bands are respected, two things are only compared if their names are unambiguous, and of questions that mean
the same ("is A left of B", "is B right of A") one is taken, by a hash of the ids that knows nothing of the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from math import isnan

import numpy as np

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.ground_truth.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.ground_truth.pair_candidates import PAIRWISE, PairCandidates
from distill3d_ros.questions.ground_truth.usual_sizes import NOT_COUNTED, mistaken_for
from distill3d_ros.questions.ground_truth.visible_relations import VisibleRelations, rectangles_meet, touches_edge
from distill3d_ros.questions.kinds import KINDS, drawn
from distill3d_ros.questions.naming import clear_name
from distill3d_ros.questions.relations import DECIDED, Relations
from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.objects import Scene, SceneObject

_ANCHORED, _SINGLE = drawn("anchored"), drawn("single")
NAMED_BY_SURFACES = frozenset(
    {
        *("what_is_left_of", "what_is_right_of", "what_is_in_front_of", "what_is_behind"),
        *("nearest_to", "nearest_to_me", "farthest_thing", "tallest_thing"),
    }
)
"""The kinds of naming that visible surfaces can decide; of the classes that were marked."""
MOST_COUNTED = 4
"""Things of one name that are counted where masks alone tell them apart."""


def question_candidates(
    scene: Scene,
    *,
    min_visible_pixels: int | None = None,
    thresholds: Thresholds = THRESHOLDS,
) -> list[GroundTruthQA]:
    """Everything that can be asked about a scene with a clear answer.

    ``min_visible_pixels``: what an object must show to be asked about; by default a share of the image. Objects whose
    visible pixels are unknown count as visible. Where only visible surfaces are known (``Scene.annotation``), what they
    do not decide is left out, see ``VisibleRelations`` and ``usual_sizes``; where nobody looked for things there is
    nothing.
    """
    if scene.annotation.boxes == "none":
        return []
    return list(_Candidates(scene, min_visible_pixels, thresholds).all())


def visible_objects(
    scene: Scene, thresholds: Thresholds, min_visible_pixels: int | None = None
) -> tuple[list[SceneObject], set[int]]:
    """The objects that are visible at all, and the ids of those that are visible enough to be asked about."""
    pixels = scene.intrinsics.width * scene.intrinsics.height
    enough = thresholds.min_visible_fraction * pixels if min_visible_pixels is None else min_visible_pixels
    glimpse = min(enough, max(1.0, thresholds.glimpse_fraction * pixels))
    seen = [o for o in scene.objects if o.visible_pixels is None or o.visible_pixels >= glimpse]
    return seen, {o.id for o in seen if o.visible_pixels is None or o.visible_pixels >= enough}


class _Candidates:
    """The visible part of one scene, and the generators of what can be asked of it."""

    def __init__(self, scene: Scene, min_visible_pixels: int | None, thresholds: Thresholds) -> None:
        seen, clear = visible_objects(scene, thresholds, min_visible_pixels)
        self.t = thresholds
        self.scene = scene
        self.whole = scene.annotation.boxes == "amodal"
        self.relations = (Relations if self.whole else VisibleRelations)(scene, seen, thresholds)
        self.clear = np.array([o.id in clear for o in seen], bool)
        self.seen_labels = Counter(o.label for o in seen)
        self.unique = [i for i, o in enumerate(seen) if self.clear[i] and self.seen_labels[o.label] == 1]
        present = {o.label for o in scene.objects}
        self.absent = [label for label in scene.annotation.marked_classes() if label not in present]
        if not self.whole:
            self.absent = [label for label in self.absent if not mistaken_for(label) & present]

    def all(self) -> Iterator[GroundTruthQA]:
        if self.scene.annotation.depth == "none":  # nobody knows where things are
            yield from self._categories()
            return
        yield from self._pairs()
        yield from self._triples()
        yield from self._singles()
        yield from self._naming()
        yield from self._categories()
        yield from self._absent()

    def _object(self, i: int) -> SceneObject:
        return self.relations.objects[i]

    def _pairs(self) -> list[GroundTruthQA]:
        """Yes/no, choice and distance questions about two things."""
        values = {name: KINDS[name].values(self.relations) for name in PAIRWISE}
        gap = self.relations.gap.tolist()
        found: list[GroundTruthQA] = []
        for x, i in enumerate(self.unique):
            for j in self.unique[x + 1 :]:
                asked = PairCandidates(self._object(i), self._object(j))
                asked.add_symmetric(found, values, i, j, gap[i][j])
                asked.add_directed(found, values, i, j, gap[i][j])
                asked.add_ordered(found, values, i, j)
                if self.scene.is_metric:
                    asked.add_measured(found, values, i, j, self.t)
        return found

    def _triples(self) -> Iterator[GroundTruthQA]:
        """Choices between two things by a third: for each anchor and thing one partner, else there are thousands."""
        n = len(self.unique)
        for kind in _ANCHORED if n > 2 else ():
            for x, anchor in enumerate(self.unique):
                score = KINDS[kind].values(self.relations, anchor)
                others = self.unique[:x] + self.unique[x + 1 :]
                step = 1 + self._object(anchor).id % (n - 2) if n > 3 else 1
                for y, i in enumerate(others):
                    j = others[(y + step) % (n - 1)]
                    if i != j and abs(score[i][j]) >= DECIDED:
                        yield self._choice_by_third(kind, anchor, i, j, score[i][j] > 0)

    def _choice_by_third(self, kind: str, anchor: int, i: int, j: int, first_wins: bool) -> GroundTruthQA:
        o, a, b = self._object(anchor), self._object(i), self._object(j)
        if KINDS[kind].contrary and (a.id + b.id + o.id) % 2 == 1:
            kind, first_wins = KINDS[kind].contrary, not first_wins
        winner = a if first_wins else b
        return GroundTruthQA(
            kind,
            (o.label, a.label, b.label),
            (o.id, a.id, b.id),
            answer_text.choice(winner.label, (winner.id, o.id)),
            f"{kind}:{o.label}|{'|'.join(sorted((a.label, b.label)))}",
        )

    def _singles(self) -> Iterator[GroundTruthQA]:
        """Questions about one thing and the camera."""
        values = {kind: KINDS[kind].values(self.relations) for kind in _SINGLE}
        for i in self.unique:
            o = self._object(i)
            for kind in _SINGLE:
                value = values[kind][i]
                if KINDS[kind].form == "yes_no":
                    if abs(value) < DECIDED:
                        continue
                    if KINDS[kind].contrary and not o.id % 2:
                        kind, value = KINDS[kind].contrary, -value
                    answer = answer_text.yes_no(value > 0, (o.id,))
                else:
                    least = KINDS[kind].least
                    if not self.scene.is_metric or (least is not None and value < least(self.t)) or isnan(value):
                        continue
                    answer = answer_text.metres(value, (o.id,))
                yield GroundTruthQA(kind, (o.label,), (o.id,), answer, f"{kind}:{o.label}")

    def _naming(self) -> Iterator[GroundTruthQA]:
        for kind, spec in KINDS.items():
            if spec.family != "naming" or not (self.whole or kind in NAMED_BY_SURFACES):
                continue
            for reference in self.unique if spec.slots else [None]:
                named = clear_name(self.relations, kind, reference, self.clear)
                if named is None:
                    continue
                reference_object = None if reference is None else self._object(reference)
                labels = () if reference_object is None else (reference_object.label,)
                if named.label == answer_text.NOTHING and not all(map(spec.may_be_empty, labels or ("",))):
                    continue
                ids = () if reference_object is None else (reference_object.id,)
                rests_on = (*named.object_ids, *ids)
                answer = answer_text.naming(named.label, rests_on)
                if answer.value in labels:  # "what is nearest to the chair?" - "a chair": another one, but confusing
                    continue
                finer = self.scene.annotation.covers.get(named.label, ())
                accepted = (*named.accepted, *finer)
                yield GroundTruthQA(kind, labels, ids, answer, ":".join((kind, *labels)), accepted)

    def _categories(self) -> Iterator[GroundTruthQA]:
        """Counting and existence. A thing of which too little shows leaves its category out."""
        counts = Counter(o.label for i, o in enumerate(self.relations.objects) if self.clear[i])
        ids: dict[str, tuple[int, ...]] = {}
        for i, o in enumerate(self.relations.objects):
            if self.clear[i]:
                ids[o.label] = (*ids.get(o.label, ()), o.id)
        for label in self.scene.annotation.marked_classes():
            if counts[label]:
                yield GroundTruthQA(
                    "exists", (label,), (None,), answer_text.yes_no(True, ids[label]), f"exists:{label}"
                )
            elif not self.seen_labels[label] and (self.whole or label in self.absent):
                yield GroundTruthQA("exists", (label,), (None,), answer_text.yes_no(False), f"exists:{label}")
            if counts[label] == self.seen_labels[label] and (self.whole or self._countable(label)):
                answer = answer_text.count(counts[label], ids.get(label, ()))
                yield GroundTruthQA("count", (label,), (None,), answer, f"count:{label}")

    def _countable(self, label: str) -> bool:
        """Whether masks tell how many there are: things that consist of one part, whole in the picture and apart."""
        if label in NOT_COUNTED or label in self.scene.annotation.covers:
            return False
        things = [o for o in self.scene.objects if o.label == label]
        if not things:
            return label in self.absent
        if len(things) > MOST_COUNTED or any(o.image_box is None for o in things):
            return False
        cut = [touches_edge(o, self.scene, self.t) for o in things]
        return not any(cut) and not any(
            rectangles_meet(a, b, self.t.apart_share * self.scene.intrinsics.width) for a, b in combinations(things, 2)
        )

    def _absent(self) -> Iterator[GroundTruthQA]:
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
            yield GroundTruthQA(kind, tuple(labels), tuple(ids), answer_text.not_seen(labels[slot]), f"{kind}:absent")
