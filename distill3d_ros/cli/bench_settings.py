"""Ways of computing that the benchmarks compare, and the figures of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from distill3d_ros.system.threads import SLEEPING, SPINNING

STAGES = ("perceive", "ask first", "ask")
PICTURES = ((640, 480), (1280, 720))
CAMERAS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A way of computing."""

    threads: int
    sleeping: bool = True
    """Whether waiting threads sleep."""
    backend: str = "torch"
    picture: tuple[int, int] = PICTURES[0]
    """Width and height."""
    cameras: int = 1
    """Each with a student and a thread of its own, in one process; only frames are measured of several."""

    @property
    def name(self) -> str:
        if self.threads == 1:
            return "1 thread"
        return f"{self.threads} threads, waiting ones {'asleep' if self.sleeping else 'spinning'}"

    @property
    def environment(self) -> dict[str, str]:
        return (SLEEPING if self.sleeping else SPINNING) | {"OMP_NUM_THREADS": str(self.threads)}

    @property
    def stages(self) -> tuple[str, ...]:
        return STAGES if self.cameras == 1 else STAGES[:1]


@dataclass(slots=True, kw_only=True)
class Durations:
    """Milliseconds of one stage in one setting."""

    setting: Setting
    stage: str
    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    """Resident memory that the process held at most."""

    def figures(self) -> dict[str, float]:
        """Quantiles, and what busy neighbours cost: their median and 95 % quantile over the idle median."""
        found = {
            f"{name}_p{q}_ms": float(np.percentile(values, q))
            for name, values in (("idle", self.idle), ("busy", self.busy))
            for q in (50, 95, 99)
        }
        median = found["idle_p50_ms"]
        found |= {f"busy_p{q}_over_idle_p50": found[f"busy_p{q}_ms"] / median for q in (50, 95)}
        return found | {"idle_count": len(self.idle), "busy_count": len(self.busy), "peak_mib": self.peak_mib}


def waiting_settings(cores: int, backend: str = "torch") -> list[Setting]:
    """One thread, and as many as there are cores, asleep and spinning."""
    several = [Setting(threads=cores, sleeping=s, backend=backend) for s in (True, False)] if cores > 1 else []
    return [Setting(threads=1, backend=backend), *several]


def grid_settings(cores: int, backends: Sequence[str]) -> list[Setting]:
    """Each backend with one thread and one a core, on each size of picture; and with several cameras."""
    counts = sorted({1, cores})
    single = [Setting(threads=t, backend=b, picture=p) for b in backends for p in PICTURES for t in counts]
    return single + [Setting(threads=cores, backend=b, cameras=CAMERAS) for b in backends]
