"""Every part of ``make soak`` in its short form: the real node in a process of its own, over DDS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from support.markdown import ROOT

from distill3d_ros.nodes.conversions import messages

sys.path.insert(0, str(ROOT / "scripts"))

from soak import __main__ as soak
from soak import in_process, spoilt_messages
from soak.part import MOST_FAULTS, Part, as_markdown

from distill3d_ros.nodes.conversions import images

needs_interfaces = pytest.mark.skipif(not messages.HAVE_INTERFACES, reason="distill3d_interfaces is not built")


def test_fuzzed_messages_are_used_or_refused_in_words() -> None:
    part = in_process.fuzzed_messages(1000, seed=7)
    assert part.faults == []
    assert part.figures["used"] > 50
    assert part.figures["refused in words"] > 300


def test_a_decoder_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(images, "colour_pixels", fails)
    part = in_process.fuzzed_messages(200, seed=7)
    assert part.fault_count == 200 + 2 * 2  # a good one fails, too, and is then a fault for not being used
    assert len(part.faults) == MOST_FAULTS
    assert "ZeroDivisionError" in part.faults[0]


def test_spoilt_pairs_come_again_with_their_seed() -> None:
    pairs = [spoilt_messages.spoilt_pair(np.random.default_rng(3)) for _ in range(2)]
    assert pairs[0][0] == pairs[1][0]


def test_the_table_tells_figures_and_faults() -> None:
    part = Part("a part", figures={"slowest ms": 3.5})
    part.fault("it broke")
    table = as_markdown([part], {"command": "make soak", "model": "pico", "machine": "a machine"})
    assert table.endswith("| a part | slowest ms 3.5 | 1 |\n")


@needs_interfaces
@pytest.mark.timeout(600)  # two starts of the node and seven parts, on a machine that does other things
def test_all_parts_in_short(folder: Path, tmp_path: Path) -> None:
    figures, table = tmp_path / "soak.json", tmp_path / "soak.md"
    short = "--messages 100 --dds-messages 60 --questions 100 --minutes 0.1 --subscribers 5 --unplugged 0.5"
    soak.main([*short.split(), "--model", str(folder), "--json", str(figures), "--table", str(table)])
    parts = json.loads(figures.read_text())["parts"]
    assert len(parts) == 7
    # Six seconds say nothing about growth: the long form does.
    assert [p["faults"] for p in parts if "growth %" not in p["figures"]] == [[]] * 6
    memory = next(p["figures"] for p in parts if "growth %" in p["figures"])
    assert memory["frames"] > 10
    assert 0 < memory["RSS MiB"] < 2000
    assert len(table.read_text().splitlines()) == 4 + len(parts)
