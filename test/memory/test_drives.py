"""Tours through two rooms with things that are moved, taken away and added, against the world's truth."""

from __future__ import annotations

import pytest
from support.memory_drives import NOISY, Drive, Noise

from distill3d_ros.memory.map_memory import MapMemory


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("noise", [Noise(), NOISY], ids=["perfect", "noisy"])
def test_two_tours(noise: Noise, seed: int) -> None:
    """The bars are below what was measured (docs/memory.md), so that they tell a fault, not the luck of a seed."""
    drive, memory = Drive.furnished(seed, noise=noise), MapMemory("home")
    drive.drive(memory)
    ids = sorted(drive.things)
    for taken in ids[:3]:
        drive.take(taken)
    for moved in ids[3:6]:
        drive.move(moved)
    for label in ("box", "bag"):
        drive.add(label)
    drive.drive(memory)
    score = drive.score(memory)
    assert score.precision >= 0.8, score
    assert score.recall >= 0.9, score
    assert score.switches_per_100_things_minute <= 8, score
    assert score.ghosts <= 0.34, score
