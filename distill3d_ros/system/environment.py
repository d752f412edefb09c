"""Environment variables of ROS 2 processes, and the folder of the package's data files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def shared_path(*parts: str) -> Path:
    """A file or folder of this package that is not code, such as ``shared_path("config", "fastdds.xml")``.

    Searches the checkout of this module, then the share folders of the installation prefixes.
    """
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    places = [_CHECKOUT, *(Path(prefix, "share", "distill3d_ros") for prefix in prefixes)]
    for place in places:
        if place.joinpath(*parts).exists():
            return place.joinpath(*parts)
    raise FileNotFoundError(f"no {Path(*parts)} in {', '.join(map(str, places))}. Install distill3d_ros again.")


def ros_environment(
    base: Mapping[str, str] | None = None, *, domain: int | None = None, localhost: bool = False
) -> dict[str, str]:
    """``base`` (default: this process's environment) with what ROS 2 processes need, as far as it is not set.

    Args:
        base: The variables to start from.
        domain: ROS_DOMAIN_ID to set, 0..232; None leaves it as it is.
        localhost: Hide the processes from other machines.

    Raises:
        ValueError: ``domain`` is out of range.
    """
    environment = dict(os.environ if base is None else base)
    # The Python wheels of ROS 2 set none, and interfaces are found through it.
    environment.setdefault("AMENT_PREFIX_PATH", sys.prefix)
    # Jazzy and older read FASTRTPS_...; newer distributions warn about it.
    older = environment.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
    name = "FASTRTPS_DEFAULT_PROFILES_FILE" if older else "FASTDDS_DEFAULT_PROFILES_FILE"
    environment.setdefault(name, str(shared_path("config", "fastdds.xml")))
    if domain is not None:
        if not 0 <= domain <= 232:
            raise ValueError(f"domain must be 0..232. Got {domain}")
        environment["ROS_DOMAIN_ID"] = str(domain)
    if localhost:
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        if environment.get("ROS_DISTRO") == "humble":  # its only variable for this; newer distributions warn about it
            environment["ROS_LOCALHOST_ONLY"] = "1"
    return environment
