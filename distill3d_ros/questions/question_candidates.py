"""What can be asked about a scene, not yet in words: facts with clear answers.

Margin bands are respected, two things are only compared if their names are unambiguous, and of questions that mean
the same ("is A left of B", "is B right of A") one is taken, by a hash of the ids that knows nothing of the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from distill3d_ros.questions import answer_text
from distill3d_ros.questions.ground_truth_qa import GroundTruthQA
from distill3d_ros.questions.kinds import KINDS
from distill3d_ros.questions.naming import SURFACES, clear_name
from distill3d_ros.questions.pair_candidates import PAIRWISE, PairCandidates
from distill3d_ros.questions.relations import DECIDED, Relations
from distill3d_ros.questions.thresholds import THRESHOLDS, Thresholds
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Scene, SceneObject


def question_candidates(
    scene: Scene,
    *,
    min_visible_pixels: int | None = None,
    thresholds: Thresholds = THRESHOLDS,
) -> list[GroundTruthQA]:
    """Everything that can be asked about a scene with a clear answer.

    ``min_visible_pixels``: what an object must show to be asked about; by default a share of the image. Objects whose
    visible pixels are unknown count as visible.
    """
    return list(_Candidates(scene, min_visible_pixels, thresholds).all())


def what_shows(
    scene: Scene, thresholds: Thresholds, min_visible_pixels: int | None = None
) -> tuple[list[SceneObject], set[int]]:
    """The objects of which something is seen, and the ids of those that show enough to be asked about."""
    pixels = scene.intrinsics.width * scene.intrinsics.height
    enough = thresholds.min_visible_fraction * pixels if min_visible_pixels is None else min_visible_pixels
    glimpse = min(enough, max(1.0, thresholds.glimpse_fraction * pixels))
    seen = [o for o in scene.objects if o.visible_pixels is None or o.visible_pixels >= glimpse]
    return seen, {o.id for o in seen if o.visible_pixels is None or o.visible_pixels >= enough}


class _Candidates:
    """The visible part of one scene, and the generators of its facts."""

    def __init__(self, scene: Scene, min_visible_pixels: int | None, thresholds: Thresholds) -> None:
        seen, clear = what_shows(scene, thresholds, min_visible_pixels)
        self.t = thresholds
        self.scene = scene
        self.relations = Relations(scene, seen, thresholds)
        self.clear = np.array([o.id in clear for o in seen], bool)
        self.seen_labels = Counter(o.label for o in seen)
        self.unique = [i for i, o in enumerate(seen) if self.clear[i] and self.seen_labels[o.label] == 1]
        present = {o.label for o in scene.objects}
        self.absent = [label for label in LABELS if label not in present]

    def all(self) -> Iterator[GroundTruthQA]:
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
        scores = {name: getattr(self.relations, name).tolist() for name in PAIRWISE}
        gap = self.relations.gap.tolist()
        found: list[GroundTruthQA] = []
        for x, i in enumerate(self.unique):
            for j in self.unique[x + 1 :]:
                asked = PairCandidates(self._object(i), self._object(j))
                asked.add_symmetric(found, scores, i, j, gap[i][j])
                asked.add_directed(found, scores, i, j, gap[i][j])
                asked.add_ordered(found, scores, i, j)
                if self.scene.is_metric and gap[i][j] >= self.t.measured_gap:
                    asked.add_distance(found, gap[i][j])
        return found

    def _triples(self) -> Iterator[GroundTruthQA]:
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
                yield GroundTruthQA(
                    kind,
                    (o.label, a.label, b.label),
                    (o.id, a.id, b.id),
                    answer_text.choice(winner.label, (winner.id, o.id)),
                    f"{kind}:{o.label}|{'|'.join(sorted((a.label, b.label)))}",
                )

    def _singles(self) -> Iterator[GroundTruthQA]:
        """Questions about one thing and the camera."""
        r = self.relations
        for i in self.unique:
            o = self._object(i)
            side = float(r.left_side[i])
            if abs(side) >= DECIDED:
                kind, value = ("left_side", side > 0) if o.id % 2 else ("right_side", side < 0)
                yield GroundTruthQA(kind, (o.label,), (o.id,), answer_text.yes_no(value, (o.id,)), f"{kind}:{o.label}")
            if not self.scene.is_metric:
                continue
            for kind, measure in (("distance_to", r.distance[i]), ("height_of", r.height[i]), ("width_of", r.width[i])):
                if kind != "distance_to" or measure >= self.t.measured_distance:
                    answer = answer_text.metres(float(measure), (o.id,))
                    yield GroundTruthQA(kind, (o.label,), (o.id,), answer, f"{kind}:{o.label}")

    def _naming(self) -> Iterator[GroundTruthQA]:
        for kind, spec in KINDS.items():
            if spec.family != "naming":
                continue
            for reference in self.unique if spec.slots else [None]:
                named = clear_name(self.relations, kind, reference, self.clear)
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
                yield GroundTruthQA(kind, labels, ids, answer, ":".join((kind, *labels)), named.accepted)

    def _categories(self) -> Iterator[GroundTruthQA]:
        """Counting and existence. A thing of which too little shows leaves its category out."""
        counts = Counter(o.label for i, o in enumerate(self.relations.objects) if self.clear[i])
        ids: dict[str, tuple[int, ...]] = {}
        for i, o in enumerate(self.relations.objects):
            if self.clear[i]:
                ids[o.label] = (*ids.get(o.label, ()), o.id)
        for label in LABELS:
            if counts[label]:
                yield GroundTruthQA(
                    "exists", (label,), (None,), answer_text.yes_no(True, ids[label]), f"exists:{label}"
                )
            elif not self.seen_labels[label]:
                yield GroundTruthQA("exists", (label,), (None,), answer_text.yes_no(False), f"exists:{label}")
            if counts[label] == self.seen_labels[label]:
                answer = answer_text.count(counts[label], ids.get(label, ()))
                yield GroundTruthQA("count", (label,), (None,), answer, f"count:{label}")

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


def _may_be_empty(kind: str, reference: SceneObject | None) -> bool:
    """Whether "nothing" is a sensible answer: nobody asks what is on a lamp."""
    if reference is None or kind == "standing_on":  # what stands on nothing stands on the floor, or hangs on a wall
        return False
    return kind not in ("what_is_on", "what_is_under") or reference.label in SURFACES
