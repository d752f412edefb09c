"""The base of the builders of batches: each process opens its own reader."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from distill3d_ros.training.inputs.batch_builder import BatchBuilder


class Lines:
    """A reader that, like one with open files, cannot be pickled."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self.lines = path.read_text().split()


class LineBuilder(BatchBuilder[Lines, list[str]]):
    def __call__(self, keys: Sequence[str], rng: np.random.Generator) -> list[str]:
        return [self.reader.lines[int(key)] for key in keys]


def test_a_reader_is_opened_at_the_first_batch_and_in_each_process_again(tmp_path: Path) -> None:
    path, rng = tmp_path / "lines.txt", np.random.default_rng(0)
    builder = LineBuilder(partial(Lines, path))
    path.write_text("a b c")
    assert builder(["2", "0"], rng) == ["c", "a"]
    path.write_text("d e f")
    assert builder(["1"], rng) == ["b"], "opened once"
    assert pickle.loads(pickle.dumps(builder))(["1"], rng) == ["e"], "what was open stayed behind"
