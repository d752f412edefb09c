from __future__ import annotations

import pytest
import torch

from distill3d_ros.training.loop import precision
from distill3d_ros.training.loop.precision import step_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("has", "expected"), [(True, "bf16"), (False, "fp32")])
def test_bfloat16_is_used_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch, has: bool, expected: str) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: has)
    assert step_precision("bf16", CPU) == expected
    assert step_precision("fp32", CPU) == "fp32"


def test_every_processor_is_asked() -> None:
    assert isinstance(precision.has_bfloat16(CPU), bool)
