"""One-to-one matching of sightings with remembered things. N things, M sightings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from distill3d_ros.memory.observation import Sighting, label_affinity
from distill3d_ros.memory.settings import MemorySettings
from distill3d_ros.memory.thing import Thing, aligned, wrapped
from distill3d_ros.scene.frame import FloatArray

_FRONT_SIGMA = 0.8
"""Radians: a student takes the front of a thing for its side now and then."""
_FORBIDDEN = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Indices, and the squared Mahalanobis distance of the places alone."""

    thing: int
    sighting: int
    distance2: float


def match(
    things: Sequence[Thing], sightings: Sequence[Sighting], *, stamp_ns: int, settings: MemorySettings
) -> list[Match]:
    """The assignment of least total cost (Hungarian) among the pairs inside the gate.

    The cost of a pair is the squared Mahalanobis distance of the centres under the sum of both covariances (the box's
    is long along its ray, the pose's is in it), twice the negative logarithm of the probability that both have one
    label, the squared difference of the sizes' logarithms over their deviation, and for things with a front that of
    the yaw. A pair above ``settings.gate`` is none, and having no pair costs the gate.
    """
    if not things or not sightings:
        return []
    distance2 = mahalanobis2(things, sightings, stamp_ns=stamp_ns, settings=settings)
    cost = np.full(distance2.shape, _FORBIDDEN)
    for i, j in np.argwhere(distance2 <= settings.gate).tolist():
        total = distance2[i, j] + likeness_cost(things[i], sightings[j], settings)
        if total <= settings.gate:
            # Below zero, so that a pair is better than none.
            cost[i, j] = total - settings.gate - 1e-6
    cost = np.minimum(cost, 0.0)
    rows, columns = linear_sum_assignment(cost)
    return [
        Match(thing=int(i), sighting=int(j), distance2=float(distance2[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if cost[i, j] < 0
    ]


def mahalanobis2(
    things: Sequence[Thing], sightings: Sequence[Sighting], *, stamp_ns: int, settings: MemorySettings
) -> FloatArray:
    """(N, M) squared Mahalanobis distances of the centres; infinite where they are beyond the gate for sure."""
    centers = np.stack([t.center for t in things])
    seen = np.stack([s.center for s in sightings])
    offset = seen[None] - centers[:, None]  # (N, M, 3)
    squared = (offset**2).sum(-1)
    noise = np.stack([s.covariance for s in sightings])
    prior = np.stack([t.covariance for t in things])
    spread = np.trace(prior, axis1=1, axis2=2)[:, None] + np.trace(noise, axis1=1, axis2=2)[None]
    # No eigenvalue exceeds the trace, so nothing inside the gate is left out here.
    near = np.argwhere(squared <= settings.gate * (spread + 3 * settings.largest_drift_m**2))
    result = np.full(squared.shape, np.inf)
    if len(near):
        i, j = near.T
        drifted = {k: things[k].predicted_covariance(stamp_ns, settings) for k in set(i.tolist())}
        total = np.stack([drifted[k] for k in i.tolist()]) + noise[j]
        d = offset[i, j]
        result[i, j] = np.einsum("kc,kc->k", d, np.linalg.solve(total, d[..., None])[..., 0])
    return result


def likeness_cost(thing: Thing, sighting: Sighting | Thing, settings: MemorySettings) -> float:
    """What label, size and front add to the cost of a pair; 0 for what could not be more alike."""
    labels, seen = thing.labels, sighting.labels
    best = (label_affinity(labels, labels) * label_affinity(seen, seen)) ** 0.5
    label_cost = -2 * np.log(max(1e-9, min(1.0, label_affinity(labels, seen) / best)))
    has_front = thing.has_front and sighting.has_front
    yaw, size = aligned(sighting.yaw, sighting.size, thing.yaw, keep_front=has_front)
    sigma = settings.size_log_sigma * (2.0 if isinstance(sighting, Sighting) and sighting.is_cut else 1.0)
    size_cost = float(((np.log(size / thing.size) / sigma) ** 2).mean())
    front_cost = (wrapped(yaw - thing.yaw) / _FRONT_SIGMA) ** 2 / 3 if has_front else 0.0
    return float(label_cost) + size_cost + min(front_cost, 2.0)
