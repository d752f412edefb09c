"""``distill3d doctor``: is everything there that the nodes need? Each line says what is missing and how to get it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from distill3d_ros.system.environment import shared_path
from distill3d_ros.system.threads import available_cores, waiting_threads_sleep

OK, WARN, FAIL = "ok", "warn", "FAIL"
SHM_NEEDED_MIB = 48
"""Two processes with a 16 MiB segment each, and room."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:>4}  {self.what}" + (f"\n      -> {self.remedy}" if self.remedy else "")


def run_doctor() -> int:
    """Prints every finding; 1 when something fails, else 0."""
    worst = OK
    for check in CHECKS:
        for finding in _findings(check):
            print(finding, flush=True)
            worst = max(worst, finding.level, key=(OK, WARN, FAIL).index)
    print({OK: "everything is there", WARN: "usable, with the warnings above", FAIL: "not usable as it is"}[worst])
    return int(worst == FAIL)


def _findings(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # a check that breaks is a finding too, and the other checks go on
        yield Finding(FAIL, f"{check.__name__.removeprefix('check_')}: {type(error).__name__}: {error}")


def check_python() -> Iterator[Finding]:
    yield Finding(OK, f"Python {platform.python_version()}, {sys.executable}")


def check_torch() -> Iterator[Finding]:
    torch = importlib.import_module("torch")
    where = f"torch {torch.__version__}, transformers {version('transformers')}"
    if torch.cuda.is_available():
        yield Finding(OK, f"{where}, GPU {torch.cuda.get_device_name()}")
    else:
        waiting = "asleep" if waiting_threads_sleep() else "spinning"
        count = f"{torch.get_num_threads()} threads on {available_cores()} cores"
        yield Finding(OK, f"{where}, CPU with {count}, {waiting} while they wait")


def check_ros() -> Iterator[Finding]:
    try:
        importlib.import_module("rclpy")
    except ImportError as error:
        remedy = "source /opt/ros/*/setup.bash, or let `make setup` install the wheels and start from .venv/bin"
        yield Finding(FAIL, f"rclpy: {error}", remedy)
        return
    rmw = importlib.import_module("rclpy.utilities").get_rmw_implementation_identifier()
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    yield Finding(OK, f"ROS 2 {os.environ.get('ROS_DISTRO', '(wheels)')}, {rmw}, domain {domain}")
    for optional in (
        ("distill3d_interfaces.msg", "SpatialObject", "service ~/ask and ~/objects", "`make setup` builds it"),
        ("vision_msgs.msg", "Detection3DArray", "~/detections", "apt: ros-$ROS_DISTRO-vision-msgs"),
        ("tf2_msgs.msg", "TFMessage", "the camera's tilt from tf", "apt: ros-$ROS_DISTRO-tf2-ros"),
    ):
        yield from _optional(*optional)
    if "fastrtps" in rmw:
        yield from _fast_dds()


def _optional(module: str, name: str, serves: str, remedy: str) -> Iterator[Finding]:
    try:
        getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        yield Finding(WARN, f"{module.partition('.')[0]} is missing: no {serves}", remedy)
    else:
        yield Finding(OK, f"{module.partition('.')[0]}: {serves}")


def _fast_dds() -> Iterator[Finding]:
    names = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    found = next((os.environ[n] for n in names if os.environ.get(n)), None)
    ours = shared_path("config", "fastdds.xml")
    if found is None and not os.environ.get("FASTDDS_BUILTIN_TRANSPORTS"):
        remedy = " ".join(f"export {n}={ours};" for n in names) + " for every process that sends or gets images"
        text = "no Fast DDS profile in this shell: other programs' raw images over 0.5 MB mostly get lost (ours set it)"
        yield Finding(WARN, text, remedy)
    elif found is not None and not Path(found).is_file():
        yield Finding(FAIL, f"the Fast DDS profile {found} does not exist", f"export {names[0]}={ours}")
    else:
        transports = f"FASTDDS_BUILTIN_TRANSPORTS={os.environ.get('FASTDDS_BUILTIN_TRANSPORTS')}"
        yield Finding(OK, f"Fast DDS: {found or transports}")


def check_shared_memory() -> Iterator[Finding]:
    place = Path("/dev/shm")
    if not place.is_dir():
        yield Finding(WARN, "/dev/shm is missing: Fast DDS sends images over UDP, which is slower")
        return
    free = shutil.disk_usage(place).free / 2**20
    left = len(list(place.glob("fastrtps_*")) + list(place.glob("fastdds_*")))
    text = f"/dev/shm: {free:.0f} MiB free, {left} files of Fast DDS"
    if free < SHM_NEEDED_MIB:
        remedy = "stop ROS processes and remove /dev/shm/fast*dds_* and fastrtps_*; in a container use --shm-size=256m"
        yield Finding(WARN, text, remedy)
    else:
        yield Finding(OK, text)


def check_student() -> Iterator[Finding]:
    try:
        folder = shared_path("models", "pico")
    except FileNotFoundError as error:
        yield Finding(FAIL, str(error), "install the package with its models, or train one with `distill3d train`")
        return
    checkpoint = importlib.import_module("distill3d_ros.student.checkpoint")
    student = checkpoint.load_student(folder)  # compares the checksums
    sha256 = checkpoint.read_description(folder)["sha256"][checkpoint.WEIGHTS]
    millions = sum(p.numel() for p in student.parameters()) / 1e6
    yield Finding(OK, f"student {folder}: {millions:.1f} M parameters, sha256 {sha256[:16]} as recorded")


def check_worlds() -> Iterator[Finding]:
    """Only the simulated camera, the data and the demo need these."""
    catalogue = importlib.import_module("distill3d_ros.worlds.furniture.catalogue")
    build = importlib.import_module("distill3d_ros.worlds.furniture.build")
    try:
        files = catalogue.library_files()
        made = "pack made" if build.pack_path(files).exists() else "the pack is made at first use, in a minute"
        yield Finding(OK, f"furniture: {len(files)} libraries, {made}")
    except (OSError, ValueError) as error:
        yield Finding(WARN, f"furniture: {error}", "apt-get install sweethome3d-furniture (for the demo and data)")
    rendering = importlib.import_module("distill3d_ros.worlds.rendering.factory")
    without_gl: list[str] = []
    renderer = rendering.make_renderer(warn=without_gl.append)
    asked = os.environ.get(rendering.ENVIRONMENT_VARIABLE)
    why = f" ({rendering.ENVIRONMENT_VARIABLE}={asked})" if asked else ""
    if without_gl:
        remedy = "apt-get install libegl1 libgl1-mesa-dri (for the demo and data)"
        yield Finding(WARN, f"rooms are drawn by {renderer.description}: {without_gl[0]}", remedy)
    else:
        yield Finding(OK, f"rooms are drawn by {renderer.description}{why}")
    renderer.close()


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_torch,
    check_ros,
    check_shared_memory,
    check_student,
    check_worlds,
)
