"""Memory that does not grow with the number of rooms, and the measurement of it."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest
from support.furniture_pack import real_pack

from distill3d_ros.cli import bench
from distill3d_ros.cli.main import main
from distill3d_ros.training.data.generation import worker_memory as memory
from distill3d_ros.training.data.generation.worker_memory import MemoryLog, growth, resident_mib, worker_memory
from distill3d_ros.worlds.lru_cache import LruCache


def test_what_was_used_last_is_kept_and_no_more() -> None:
    recent, made = LruCache[str, str](2), []

    def ask(key: str) -> str:
        return recent.get(key, lambda: made.append(key) or key.upper())

    assert [ask(key) for key in "abacab"] == list("ABACAB")
    assert made == ["a", "b", "c", "b"], "b was asked for longest ago when c came"
    assert len(recent) == 2
    with pytest.raises(ValueError, match=r"limit must be at least 1\. Got 0"):
        LruCache(0)


def test_variants_are_the_same_again_after_they_were_forgotten() -> None:
    pack = type(real_pack())(real_pack().models)
    pack._variants = LruCache(1)
    chair, table = (pack.by_label(label, "train")[0] for label in ("chair", "table"))
    first = pack.variant(chair, 1)
    assert pack.variant(chair, 1) is first
    pack.variant(table, 1)
    again = pack.variant(chair, 1)
    assert again is not first
    assert again.vertices.tobytes() == first.vertices.tobytes()
    assert again.textures.tobytes() == first.textures.tobytes()
    assert len(pack._variants) == 1


def test_growth_is_the_slope_of_the_second_half() -> None:
    rng = np.random.default_rng(0)
    filling = [300 + 40 * (1 - 0.9**k) for k in range(100)]
    steady = 340 + 0.05 * np.arange(100) + rng.normal(0, 1, 100)
    slope, error = MemoryLog(mib=(*filling, *steady), seconds=1.0).growth
    assert slope == pytest.approx(50, abs=3 * error)
    assert 2 < error < 8
    assert growth([5.0] * 20) == pytest.approx((0, 0), abs=1e-6)
    with pytest.raises(ValueError, match=r"at least 3 rooms\. Got 2"):
        growth([1.0, 2.0])


def test_resident_memory_of_this_process() -> None:
    before = resident_mib(os.getpid())
    with mmap.mmap(-1, 40 << 20) as held:  # new pages: an array may lie in some that the process held before
        held.write(b"1" * (40 << 20))
        assert resident_mib(os.getpid()) - before >= 32


def test_a_worker_is_watched_while_it_makes_rooms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    real_pack()
    log = worker_memory(9.0, seed=1, rooms=8, frames_per_room=1, size=(32, 32))
    assert len(log.mib) == 8
    assert 50 < min(log.mib) <= max(log.mib) < 4000
    with pytest.raises(ValueError, match=r"--memory must be positive\. Got 0"):
        worker_memory(0.0, seed=1)
    monkeypatch.setattr(memory, "worker_memory", lambda minutes, seed: log)
    assert bench.memory_benchmark(1.0, json_file=tmp_path / "memory.json") == 0
    assert "MiB per 1000 rooms (standard error" in capsys.readouterr().out
    assert '"mib_per_1000_rooms"' in (tmp_path / "memory.json").read_text()
    assert main(["bench", "--memory", "1"]) == 0
