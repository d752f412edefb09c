"""The real furniture pack for tests, or a skip that says how to get it."""

from __future__ import annotations

from functools import lru_cache

import pytest

from distill3d_ros.worlds.furniture.catalogue import FurnitureMissingError, library_files
from distill3d_ros.worlds.furniture.pack import FurniturePack


@lru_cache(maxsize=1)
def real_pack() -> FurniturePack:
    """Loaded once a test run; built (about a minute) if no cache is there."""
    try:
        library_files()
    except FurnitureMissingError as error:
        pytest.skip(str(error))
    return FurniturePack.load(progress=False)
