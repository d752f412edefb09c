"""Fixtures of the tests of worlds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from distill3d_ros.worlds.rendering.factory import make_renderer
from distill3d_ros.worlds.rendering.interface import RoomRenderer


@pytest.fixture(scope="module", params=["gl", "raycast"])
def renderer(request: pytest.FixtureRequest) -> Iterator[RoomRenderer]:
    """Each of the renderers in turn."""
    one = make_renderer(request.param, threads=0)
    yield one
    one.close()
