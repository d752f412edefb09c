#!/usr/bin/env python3
"""Set up .venv for distill3d_ros: system packages, Python packages, ROS 2, the interface package.

Run it as often as you like; what is up to date is left alone. With a sourced ROS 2 the environment sees its packages,
and numpy and torch stay what they are there; without one, ROS 2 comes from Python wheels. Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import setup_steps as steps
from setup_steps import PYTHON, ROOT, VENV, SetupError, ask_python, say

STAMP = VENV / "distill3d_setup.json"
REQUIREMENTS = ROOT / "requirements"
SUPPORTED = ((3, 10), (3, 11), (3, 12))


def find_python() -> tuple[str, bool]:
    """The interpreter to build .venv on, and whether it sees a sourced ROS 2."""
    named = os.environ.get("DISTILL3D_PYTHON")
    known = [sys.executable, "python3", *(f"python3.{minor}" for _, minor in reversed(SUPPORTED))]
    candidates = [named] if named else known
    usable = []
    for candidate in dict.fromkeys(c for c in candidates if c and shutil.which(c)):
        version = ask_python(candidate, "import sys; print(*sys.version_info[:2])")
        if version is not None and tuple(map(int, version.split())) in SUPPORTED:
            usable.append(candidate)
    if not usable:
        wanted = ", ".join(f"3.{minor}" for _, minor in SUPPORTED)
        raise SetupError(
            f"no Python of {wanted} found (tried {', '.join(map(str, candidates))}). Install one (Debian, Ubuntu: "
            "apt-get install python3 python3-venv python3-dev) or name it: DISTILL3D_PYTHON=/path/to/python"
        )
    if not os.environ.get("ROS_DISTRO"):
        return usable[0], False
    for candidate in [*usable, "/usr/bin/python3"]:
        if steps.has_module(candidate, "rclpy"):
            return candidate, True
    say(f"ROS_DISTRO is {os.environ['ROS_DISTRO']}, but no Python here imports rclpy: taking ROS 2 from wheels")
    return usable[0], False


def digest(*parts: object) -> str:
    """Changes when a text, or a file (or a file below a folder), among ``parts`` changes."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in sorted(f for f in ([part] if part.is_file() else part.rglob("*")) if f.is_file()):
                sha.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
        else:
            sha.update(repr(part).encode())
    return sha.hexdigest()


class Stamps:
    """Which steps were done, and with what."""

    def __init__(self) -> None:
        try:
            self.done: dict[str, str] = json.loads(STAMP.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.done = {}
        self.worked = False

    @contextlib.contextmanager
    def step(self, name: str, key: str) -> Iterator[bool]:
        """True when there is something to do; marked as done when the block ends well."""
        stale = self.done.get(name) != key
        self.worked |= stale
        yield stale
        if stale:
            self.done[name] = key
            fresh = STAMP.with_suffix(".tmp")
            fresh.write_text(json.dumps(self.done, indent=1), encoding="utf-8")
            fresh.replace(STAMP)


def settle_interpreter(stamps: Stamps) -> tuple[str, bool]:
    """The interpreter that .venv is built on, and whether ROS 2 is a sourced one; makes .venv where there is none."""
    distribution = os.environ.get("ROS_DISTRO", "")
    key = digest(str(VENV), distribution, os.environ.get("DISTILL3D_PYTHON"))
    if stamps.done.get("interpreter") == key and PYTHON.exists():
        return stamps.done["python"], stamps.done["ros"] == "sourced"
    say("Looking at the machine")
    python, sourced = find_python()
    ros = "sourced" if sourced else "wheels"
    if stamps.done.get("ros", ros) != ros:
        raise SetupError(f".venv has ROS 2 '{stamps.done['ros']}', this shell '{ros}'. Remove {VENV} first.")
    steps.install_system_packages(python)
    if not (VENV / "bin" / "pip").exists():
        steps.make_venv(python, sourced)
    with stamps.step("interpreter", key):
        stamps.done.update(python=python, ros=ros)
    say(f"ROS 2: {distribution + ', sourced' if sourced else 'Kilted, from wheels'}")
    return python, sourced


def set_up(robot: bool) -> bool:
    """Everything that is not up to date. Returns whether there was anything to do."""
    stamps = Stamps()
    python, sourced = settle_interpreter(stamps)
    names = ["runtime"] if robot else ["runtime", "extras", "onnx", "test"]
    with stamps.step("packages", digest(*(REQUIREMENTS / f"{name}.txt" for name in names), sourced)) as stale:
        if stale:
            steps.install_python_packages(names, python, sourced)
    messages = [ROOT / "distill3d_interfaces"]
    if not sourced:
        messages = [*sorted((ROOT / "scripts" / "wheel_messages").glob("*_msgs")), *messages]
        with stamps.step("wheels", digest(REQUIREMENTS / "ros-wheels.txt")) as stale:
            if stale:
                steps.install_ros_wheels()
    for package in messages:
        with stamps.step(package.name, digest(package, stamps.done["wheels"] if not sourced else "sourced")) as stale:
            if stale:
                steps.build_interfaces(package)
    files = ("setup.py", "setup.cfg", "package.xml")
    with stamps.step("distill3d_ros", digest(*(ROOT / name for name in files), sourced)) as stale:
        if stale:
            steps.register_package(sourced)
    if not robot:
        worlds = sorted((ROOT / "distill3d_ros" / "worlds").rglob("*.py"))
        with stamps.step("furniture", digest(*worlds)) as stale:
            if stale:
                steps.make_furniture_pack()
    return stamps.worked


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two calls at once would install over each other: the second waits."""
    with open(ROOT / "scripts" / "setup_env.py", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up of this checkout to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--robot", action="store_true", help="only what the nodes need; no simulation, training, tests")
    arguments = parser.parse_args()
    try:
        with one_at_a_time():
            if set_up(arguments.robot):
                say("Set up.")
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; the next call goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
