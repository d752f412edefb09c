"""Fixtures of the tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of all splits, a few samples each."""
    from support.training.tiny_training import data_folder  # torch only for who needs it

    from distill3d_ros.training.data.sample import SIMULATED_SPLITS

    return data_folder(tmp_path_factory.mktemp("data"), SIMULATED_SPLITS)


@pytest.fixture(scope="module")
def published_scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A room in ScanNet's published format."""
    from support.scannet_scan import publish

    return publish(tmp_path_factory.mktemp("published"))
