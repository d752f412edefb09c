"""Fixtures of all tests; the environment is set before any test imports torch or rclpy, which read it once."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from distill3d_ros.system.environment import ros_environment
from distill3d_ros.system.threads import thread_variables

if TYPE_CHECKING:
    from distill3d_ros.engine.engine import Engine

# Small tensors: a second thread costs more than it brings, and the same sums come out on every machine.
os.environ.update(thread_variables(os.environ, threads=1))

# Else each process that tests start compiles torch and transformers anew: 12 s in place of 5 s of a core.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Processes of this test run hear each other and nobody else. Domains above 101 have ports that systems give away.
os.environ.update(ros_environment(domain=1 + os.getpid() % 100, localhost=True))

# Only where ROS 2 comes from wheels: programs that tests start find its libraries by themselves.
if sys.prefix not in os.environ["AMENT_PREFIX_PATH"].split(os.pathsep):
    os.environ["AMENT_PREFIX_PATH"] = os.pathsep.join([sys.prefix, os.environ["AMENT_PREFIX_PATH"]])

# A shell starts jobs in the background with SIGINT ignored, and what tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a real student of random weights."""
    from support.random_student import save_random_student  # torch only for who needs it

    return save_random_student(tmp_path_factory.mktemp("student"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    """With the student of ``folder``."""
    from distill3d_ros.engine.engine import Engine

    return Engine.from_pretrained(folder, device="cpu")
