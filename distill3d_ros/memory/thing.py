"""Remembered things: the fused estimate of one, and its update with a sighting."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from distill3d_ros.memory.observation import Sighting, level_box
from distill3d_ros.memory.settings import CHI2_3DOF_95, MemorySettings
from distill3d_ros.scene.frame import FloatArray
from distill3d_ros.scene.objects import Box3D

State = Literal["tentative", "present", "gone"]
SECTORS = 12
_LABEL_FORGETTING = 0.98
"""Of the label counts at each sighting: about the last fifty decide."""
_DAY = 86400.0
_HALF_LIFE_S = {"person": 30.0} | dict.fromkeys(
    ("cup", "bottle", "bowl", "bag", "box", "books", "pillow", "towel", "computer"), 1 * _DAY
)
_CHAIRS = {"chair", "stool", "trash can", "plant", "vase", "lamp"}


def half_life_s(label: str) -> float:
    """Seconds after which a thing that was not seen again is still there in half of all cases, as is assumed: people
    half a minute, small things a day, light furniture a week, other furniture sixty days."""
    return _HALF_LIFE_S.get(label, 7 * _DAY if label in _CHAIRS else 60 * _DAY)


@dataclass(slots=True, kw_only=True)
class Thing:
    """The estimate of one thing; ``fuse`` updates it in place."""

    id: int
    """Stable and never given twice in a map."""
    center: FloatArray
    """(3,) in the map, metres."""
    covariance: FloatArray
    """(3, 3) of ``center``, m^2."""
    size: FloatArray
    """(3,) width, height, depth, metres."""
    yaw: float
    """As ``Sighting.yaw``."""
    has_front: bool
    label_counts: dict[str, float]
    log_odds: float
    """Of its existence, natural."""
    state: State
    sightings: int
    missed: int
    """Frames in which it was in plain view, as near as usual, and not detected."""
    usual_distance: float
    """Metres: the mean of those it was seen from."""
    first_seen_ns: int
    last_seen_ns: int
    sectors: FloatArray = field(default_factory=lambda: np.zeros(SECTORS))
    """(12,) sightings by direction of view."""
    outliers: int = 0
    """Sightings in a row beyond 95 % of what the covariances allow."""

    @classmethod
    def from_sighting(cls, sighting: Sighting, *, thing_id: int, stamp_ns: int, settings: MemorySettings) -> Thing:
        thing = cls(
            id=thing_id,
            center=sighting.center.copy(),
            covariance=sighting.covariance.copy(),
            size=sighting.size.copy(),
            yaw=sighting.yaw,
            has_front=sighting.has_front,
            label_counts=dict(sighting.labels),
            log_odds=settings.seen_gain * sighting.score,
            state="tentative",
            sightings=1,
            missed=0,
            usual_distance=sighting.distance,
            first_seen_ns=stamp_ns,
            last_seen_ns=stamp_ns,
        )
        thing.sectors[sector(sighting.direction)] = 1
        return thing

    @property
    def labels(self) -> dict[str, float]:
        """Probabilities: shares of the counts, with a twentieth of a sighting for what was never named."""
        total = sum(self.label_counts.values()) + 0.05
        return {name: count / total for name, count in self.label_counts.items()}

    @property
    def label(self) -> str:
        return max(self.label_counts, key=lambda name: self.label_counts[name])

    @property
    def box(self) -> Box3D:
        """In the map's level frame (``observation.MAP_FROM_LEVEL``)."""
        return level_box(self.center, self.size, self.yaw)

    @property
    def existence(self) -> float:
        """Probability, when it was last looked for."""
        return 1 / (1 + math.exp(-self.log_odds))

    def confidence(self, now_ns: int) -> float:
        """Probability that it is, now, what and where it is remembered to be: label, existence, and half of it for
        each ``half_life_s`` that it was not seen."""
        age = max(0.0, (now_ns - self.last_seen_ns) * 1e-9)
        return self.labels[self.label] * self.existence * 0.5 ** (age / half_life_s(self.label))

    def predicted_covariance(self, stamp_ns: int, settings: MemorySettings) -> FloatArray:
        """(3, 3) with what it may have drifted since it was last seen."""
        minutes = max(0.0, (stamp_ns - self.last_seen_ns) / 60e9)
        drift = min(settings.drift_m_per_sqrt_minute * math.sqrt(minutes), settings.largest_drift_m)
        return self.covariance + drift**2 * np.eye(3)

    def fuse(self, sighting: Sighting, distance2: float, *, stamp_ns: int, settings: MemorySettings) -> float:
        """Kalman update of the place, counts of the labels, Huber's mean of the size. Returns the metres that the
        thing was moved by because three sightings in a row (``distance2``: squared Mahalanobis) did not fit; else 0.

        Errors of frames from one side are alike, so the n-th sighting from a sector of 30 degrees counts one n-th:
        the covariance shrinks with the logarithm of frames from one side, and with the number of sides.
        """
        moved = self._fuse_place(sighting, distance2, stamp_ns, settings)
        self._fuse_shape(sighting)
        for name in self.label_counts:
            self.label_counts[name] *= _LABEL_FORGETTING
        for name, probability in sighting.labels.items():
            self.label_counts[name] = self.label_counts.get(name, 0.0) + probability
        self.sightings += 1
        self.usual_distance += (sighting.distance - self.usual_distance) / min(self.sightings, 20)
        self.last_seen_ns = stamp_ns
        return moved

    def _fuse_place(self, sighting: Sighting, distance2: float, stamp_ns: int, settings: MemorySettings) -> float:
        side = sector(sighting.direction)
        self.sectors[side] += 1
        self.outliers = self.outliers + 1 if distance2 > CHI2_3DOF_95 else 0
        if self.outliers >= 3:
            moved = float(np.linalg.norm(sighting.center - self.center))
            self.place_at(sighting.center, sighting.covariance)
            return moved
        prior = self.predicted_covariance(stamp_ns, settings)
        noise = sighting.covariance * self.sectors[side]
        gain = prior @ np.linalg.inv(prior + noise)
        self.center = self.center + gain @ (sighting.center - self.center)
        left = np.eye(3) - gain
        # Joseph's form: symmetric and positive definite whatever the gain.
        posterior = left @ prior @ left.T + gain @ noise @ gain.T
        values, vectors = np.linalg.eigh((posterior + posterior.T) / 2)
        self.covariance = (vectors * np.maximum(values, settings.smallest_sigma_m**2)) @ vectors.T
        return 0.0

    def place_at(self, center: FloatArray, covariance: FloatArray) -> None:
        """Begins the estimate of the place anew."""
        self.center, self.covariance = np.array(center, float), np.array(covariance, float)
        self.sectors = np.zeros(SECTORS)
        self.outliers = 0

    def _fuse_shape(self, sighting: Sighting) -> None:
        yaw, size = aligned(sighting.yaw, sighting.size, self.yaw, keep_front=self.has_front or sighting.has_front)
        weight = (0.25 if sighting.is_cut else 1.0) / min(self.sightings + 1, 20)
        # Huber: what is off by more than 30 % pulls as if it were off by 30 %.
        self.size = self.size + weight * np.clip(size - self.size, -0.3 * self.size, 0.3 * self.size)
        self.yaw = wrapped(self.yaw + weight * wrapped(yaw - self.yaw))
        self.has_front = self.has_front or sighting.has_front

    def to_row(self) -> dict[str, Any]:
        """JSON types. ``from_row`` reads it back."""
        row: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Thing:
        arrays = ("center", "covariance", "size", "sectors")
        values: dict[str, Any] = {name: np.array(v, float) if name in arrays else v for name, v in row.items()}
        return cls(**values)


def sector(direction: float) -> int:
    return int((direction % math.tau) / math.tau * SECTORS) % SECTORS


def wrapped(angle: float) -> float:
    """Into [-pi, pi)."""
    return (angle + math.pi) % math.tau - math.pi


def aligned(yaw: float, size: FloatArray, reference: float, *, keep_front: bool) -> tuple[float, FloatArray]:
    """The yaw of the same box that is nearest to ``reference``. Without a front four yaws stand for one box; a quarter
    turn exchanges width and depth."""
    if keep_front:
        return yaw, size
    quarters = round(wrapped(reference - yaw) / (math.pi / 2))
    turned = size[[2, 1, 0]] if quarters % 2 else size
    return wrapped(yaw + quarters * math.pi / 2), turned
