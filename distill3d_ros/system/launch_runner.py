"""Runner of a YAML launch file where ROS 2's launch packages are not installed (its Python wheels have none).

``python -m distill3d_ros.system.launch_runner FILE [NAME:=VALUE ...]`` supports what
``launch/distill3d.launch.yaml`` uses: ``arg``, ``set_env``, ``node`` (with namespace, args, param, remap, env, if), the
types ``str``, ``int``, ``float`` and ``bool`` of a parameter, and the substitutions ``$(var NAME)``,
``$(env NAME [DEFAULT])`` and ``$(find-pkg-share PACKAGE)``. Anything else is an error rather than ignored. With ROS 2
installed use ``ros2 launch``, which reads the same file.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from distill3d_ros.system.environment import ros_environment, shared_path
from distill3d_ros.system.processes import Processes, ignore_interrupts

_SUBSTITUTION = re.compile(r"\$\((var|env|find-pkg-share)\s+([^\s()]+)(?:\s+([^()]*))?\)")
_NODE_KEYS = {"pkg", "exec", "name", "namespace", "args", "param", "remap", "env", "if", "output"}
_PARAMETER_KEYS = {"name", "value", "type", "from"}
_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "yaml": object}


@dataclass(kw_only=True, slots=True)
class LaunchNode:
    """One node of a launch file, its substitutions done."""

    package: str
    executable: str
    name: str
    namespace: str = ""
    arguments: list[str] = field(default_factory=list)
    parameter_files: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    remappings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, folder: Path) -> list[str]:
        """The words to run; the parameters go into a file below ``folder``, which keeps their types."""
        words = [find_executable(self.package, self.executable), *self.arguments]
        words += ["--ros-args", "-r", f"__node:={self.name}"]
        if self.namespace:
            words += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        for origin, target in self.remappings.items():
            words += ["-r", f"{origin}:={target}"]
        for parameter_file in self.parameter_files:
            words += ["--params-file", parameter_file]
        if self.parameters:
            file = folder / f"{self.name}.yaml"
            file.write_text(yaml.safe_dump({"/**": {"ros__parameters": self.parameters}}), encoding="utf-8")
            words += ["--params-file", str(file)]
        return words


def find_executable(package: str, executable: str) -> str:
    """A package's executable: ``lib/PACKAGE/`` of the installation prefixes, as ``ros2 run`` does, then ``bin/``."""
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    places = [str(Path(prefix, "lib", package, executable)) for prefix in prefixes]
    places.append(str(Path(sys.prefix, "bin", executable)))
    for place in places:
        if os.access(place, os.X_OK):
            return place
    found = shutil.which(executable)
    if found is None:
        raise ValueError(f"no executable '{executable}' of package '{package}'. Looked for {', '.join(places)}")
    return found


def find_share(package: str) -> str:
    if package == "distill3d_ros":
        return str(shared_path("package.xml").parent)
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    for prefix in prefixes:
        share = Path(prefix, "share", package)
        if share.is_dir():
            return str(share)
    raise ValueError(f"no share folder of package '{package}' below {', '.join(prefixes)}")


def substitute(text: object, variables: Mapping[str, str]) -> str:
    """``text`` with its substitutions done.

    Raises:
        ValueError: a substitution that is not understood, or names something that is not there.
    """

    def value(match: re.Match[str]) -> str:
        kind, name, default = match.groups()
        if kind == "find-pkg-share":
            return find_share(name)
        known: Mapping[str, str] = variables if kind == "var" else os.environ
        if name in known:
            return known[name]
        if kind == "env" and default is not None:
            return default
        raise ValueError(f"$({kind} {name}) is not set" + (f"; set: {', '.join(variables)}" if kind == "var" else ""))

    plain = "true" if text is True else "false" if text is False else "" if text is None else str(text)
    result = _SUBSTITUTION.sub(value, plain)
    if "$(" in result:
        raise ValueError(f"substitution not understood in '{plain}'. This runner knows var, env and find-pkg-share")
    return result


def read_launch_file(file: Path, given: Mapping[str, str]) -> tuple[list[LaunchNode], dict[str, str], dict[str, str]]:
    """The nodes, the environment variables that the file sets, and the arguments with their values.

    Raises:
        ValueError: the file has an entry that this runner does not support, or ``given`` has an unknown argument.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries = [next(iter(entry.items())) for entry in content["launch"]]
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"'{file}' is no YAML launch file (a list under 'launch'): {error}") from error
    declared = {body["name"]: body for kind, body in entries if kind == "arg"}
    if unknown := set(given) - set(declared):
        raise ValueError(f"unknown argument {', '.join(sorted(unknown))}. '{file.name}' has {', '.join(declared)}")
    variables: dict[str, str] = {}
    for name, body in declared.items():
        if name not in given and "default" not in body:
            raise ValueError(f"argument '{name}' of '{file.name}' needs a value: {name}:=...")
        variables[name] = given.get(name, "") if name in given else substitute(body["default"], variables)
    nodes, environment = [], {}
    for kind, body in entries:
        if kind == "set_env":
            environment[body["name"]] = substitute(body["value"], variables)
        elif kind == "node":
            node = _node_from(body, variables)
            nodes += [] if node is None else [node]
        elif kind != "arg":
            raise ValueError(f"'{kind}' in '{file.name}' is not understood. This runner knows arg, set_env and node")
    return nodes, environment, variables


def _node_from(body: Mapping[str, Any], variables: Mapping[str, str]) -> LaunchNode | None:
    if unknown := set(body) - _NODE_KEYS:
        known = ", ".join(sorted(_NODE_KEYS))
        raise ValueError(f"a node's {', '.join(sorted(unknown))} is not understood. This runner knows {known}")
    if substitute(body.get("if", "true"), variables).lower() not in ("true", "1"):
        return None
    node = LaunchNode(
        package=substitute(body["pkg"], variables),
        executable=substitute(body["exec"], variables),
        name=substitute(body.get("name", body["exec"]), variables),
        namespace=substitute(body.get("namespace", ""), variables),
        arguments=shlex.split(substitute(body.get("args", ""), variables)),
        remappings={r["from"]: substitute(r["to"], variables) for r in body.get("remap", [])},
        environment={e["name"]: substitute(e["value"], variables) for e in body.get("env", [])},
    )
    for parameter in body.get("param", []):
        if unknown := set(parameter) - _PARAMETER_KEYS:
            known = ", ".join(sorted(_PARAMETER_KEYS))
            raise ValueError(f"a parameter's {', '.join(sorted(unknown))} is not understood. This runner knows {known}")
        if "from" in parameter:
            node.parameter_files.append(substitute(parameter["from"], variables))
        else:
            value = parameter["value"]
            if isinstance(value, str):
                value = _typed(parameter["name"], substitute(value, variables), parameter.get("type", "yaml"))
            node.parameters[parameter["name"]] = value
    return node


def _typed(name: str, text: str, kind: str) -> Any:
    """``text`` as a parameter's value; without a type it is read as YAML, so that '$(var seed)' is a number."""
    if kind not in _TYPES:
        raise ValueError(f"type of parameter '{name}' must be one of {', '.join(_TYPES)}. Got '{kind}'")
    if kind == "str":
        return text
    value = yaml.safe_load(text) if text else ""
    if kind == "yaml":
        return value if isinstance(value, bool | int | float | list) else text
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[kind]:
        raise ValueError(f"parameter '{name}' must be of type {kind}. Got '{text}'")
    return value


def run_launch_file(file: Path, given: Mapping[str, str]) -> int:
    """Runs the file's nodes until one fails, all have ended, or Ctrl-C. Returns the exit status."""
    nodes, settings, _ = read_launch_file(file, given)
    if not nodes:
        raise ValueError(f"'{file}' starts no node with these arguments")
    base = ros_environment() | settings
    with tempfile.TemporaryDirectory(prefix="distill3d_launch_") as folder, Processes() as processes:
        try:
            for node in nodes:
                processes.start(node.name, node.command(Path(folder)), env=base | node.environment)
            while processes.running():
                if failed := {name: status for name, status in processes.ended().items() if status != 0}:
                    name, status = next(iter(failed.items()))
                    print(f"[launch] {name} ended with exit status {status}; ending the others", file=sys.stderr)
                    return 1
                time.sleep(0.1)
        except KeyboardInterrupt:
            print("[launch] interrupted", file=sys.stderr)
            # A node that ends after SIGINT was stopped as intended, unless its status says otherwise.
            with ignore_interrupts():
                return 1 if any(status > 0 for status in processes.stop().values()) else 0
        return 1 if any(processes.ended().values()) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    program = "python -m distill3d_ros.system.launch_runner"
    parser = argparse.ArgumentParser(prog=program, description="Run a YAML launch file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("assignments", nargs="*", metavar="NAME:=VALUE", help="values of the file's arguments")
    parser.add_argument("--show-args", action="store_true", help="list the file's arguments and end")
    options = parser.parse_args(arguments)
    try:
        given = {}
        for assignment in options.assignments:
            name, separator, value = assignment.partition(":=")
            if not separator:
                raise ValueError(f"arguments are NAME:=VALUE. Got '{assignment}'")
            given[name] = value
        if options.show_args:
            for name, value in read_launch_file(options.file, given)[2].items():
                print(f"{name}:={value}")
            return 0
        return run_launch_file(options.file, given)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
