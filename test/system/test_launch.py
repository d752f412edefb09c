"""Child processes, and the runner of YAML launch files."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from distill3d_ros.system.environment import ros_environment, shared_path
from distill3d_ros.system.launch_runner import main, read_launch_file, substitute
from distill3d_ros.system.processes import Processes

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "distill3d.launch.yaml"


def wait_until(condition: Callable[[], bool], limit_s: float = 10.0) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_output_comes_line_by_line_with_the_name() -> None:
    heard: list[tuple[str, str]] = []
    with Processes(on_line=lambda name, line: heard.append((name, line))) as processes:
        processes.start("a", [sys.executable, "-c", "print('one'); print('two')"])
        processes.start("b", [sys.executable, "-c", "import sys; print('trouble', file=sys.stderr); sys.exit(3)"])
        assert wait_until(lambda: len(processes.ended()) == 2)
        assert processes.ended() == {"a": 0, "b": 3}
        assert wait_until(lambda: len(heard) == 3)
    assert [line for name, line in heard if name == "a"] == ["one", "two"]
    assert ("b", "trouble") in heard


def test_a_child_that_ignores_ctrl_c_is_ended_all_the_same() -> None:
    heard: list[str] = []
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with Processes(on_line=lambda name, line: heard.append(line)) as processes:
        processes.start("deaf", [sys.executable, "-c", code])
        assert wait_until(lambda: heard == ["up"])
        assert processes.stop("deaf", patience_s=0.2) == {"deaf": -signal.SIGTERM}
        processes.start("deaf", [sys.executable, "-c", "pass"])  # the name is free again


def test_two_children_of_one_name_are_refused() -> None:
    with Processes() as processes:
        processes.start("a", [sys.executable, "-c", "pass"])
        with pytest.raises(ValueError, match="names must differ"):
            processes.start("a", [sys.executable, "-c", "pass"])


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's promise is Linux's")
def test_children_end_even_when_their_parent_is_killed() -> None:
    code = textwrap.dedent(
        """
        import sys, time
        from distill3d_ros.system.processes import Processes
        child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
        with Processes() as processes:
            processes.start("child", [sys.executable, "-c", child])
            time.sleep(60)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline().split()[-1])
    assert is_alive(child)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not is_alive(child))
    parent.stdout.close()


def test_substitutions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILL3D_TEST", "here")
    assert substitute("$(var a)/$(env DISTILL3D_TEST)/$(env DISTILL3D_NONE other)", {"a": "1"}) == "1/here/other"
    assert Path(substitute("$(find-pkg-share distill3d_ros)/config/fastdds.xml", {})).is_file()
    with pytest.raises(ValueError, match=r"\(var b\) is not set; set: a"):
        substitute("$(var b)", {"a": "1"})
    with pytest.raises(ValueError, match="substitution not understood"):
        substitute("$(eval 1 + 1)", {})


def test_values_keep_their_types() -> None:
    nodes, environment, _ = read_launch_file(LAUNCH_FILE, {"play": "true", "seed": "3", "path": "/tmp/1"})
    camera = next(n for n in nodes if n.executable == "camera_node")
    assert camera.parameters == {"source": "drive", "path": "/tmp/1", "seed": 3, "rate": 10.0}
    assert camera.remappings["image"] == "/camera/image_raw"
    nodes, _, _ = read_launch_file(LAUNCH_FILE, {"play": "true", "path": "2024", "rate": "5"})
    parameters = nodes[0].parameters
    assert (parameters["path"], parameters["rate"], type(parameters["rate"])) == ("2024", 5.0, float)
    assert environment["FASTDDS_DEFAULT_PROFILES_FILE"] == str(shared_path("config", "fastdds.xml"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": "fast"}, "parameter 'rate' must be of type float. Got 'fast'"),
        ({"seed": "1.5"}, "parameter 'seed' must be of type int. Got '1.5'"),
    ],
)
def test_a_value_of_another_type_is_an_error(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_launch_file(LAUNCH_FILE, {"play": "true", **arguments})


def test_nodes_may_be_left_out() -> None:
    nodes, _, _ = read_launch_file(LAUNCH_FILE, {})
    assert [n.name for n in nodes] == ["spatial_node"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("launch: [{group: {}}]", "'group'.*is not understood"),
        ("launch: [{node: {pkg: a, exec: b, respawn: true}}]", "respawn is not understood"),
        ("launch: [{node: {pkg: a, exec: b, param: [{nmae: c}]}}]", "nmae is not understood"),
        (
            "launch: [{node: {pkg: a, exec: b, param: [{name: c, value: '1', type: text}]}}]",
            "'c' must be one of str, int",
        ),
        ("launch: [{arg: {name: a}}]", "argument 'a'.*needs a value: a:="),
        ("nodes: []", "no YAML launch file"),
        ("launch: [", "no YAML launch file"),
    ],
)
def test_what_is_not_understood_is_said(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "a.launch.yaml"
    file.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_launch_file(file, {})


def test_an_unknown_argument_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(LAUNCH_FILE), "camera:=/cam"]) == 2
    assert "unknown argument camera. 'distill3d.launch.yaml' has image, camera_info" in capsys.readouterr().err


def test_a_failing_node_ends_the_others(tmp_path: Path) -> None:
    """The spatial node has no such student; the camera node, which would go on, ends with it."""
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"model": str(tmp_path / "none")}}}))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(one_pixel_png())
    arguments = [f"params_file:={parameters}", "play:=true", "source:=folder", f"path:={pictures}"]
    command = [sys.executable, "-m", "distill3d_ros.system.launch_runner", str(LAUNCH_FILE), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ros_environment(), check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "spatial_node ended with exit status 1; ending the others" in done.stderr
    assert str(tmp_path / "none") in done.stdout


def test_the_python_launch_file_includes_the_yaml_one() -> None:
    """Its arguments and nodes are those of the YAML file; it has none of its own that could differ."""
    tree = ast.parse(LAUNCH_FILE.with_suffix(".py").read_text(encoding="utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {"IncludeLaunchDescription", "AnyLaunchDescriptionSource"} <= called
    assert not called & {"Node", "DeclareLaunchArgument"}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {"distill3d_ros", "launch", LAUNCH_FILE.name} <= texts


def test_ctrl_c_ends_the_launch_without_a_traceback(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(one_pixel_png())
    file = tmp_path / "camera.launch.yaml"
    node = {
        "pkg": "distill3d_ros",
        "exec": "camera_node",
        "param": [{"name": "source", "value": "folder"}, {"name": "path", "value": str(pictures)}],
    }
    file.write_text(yaml.safe_dump({"launch": [{"node": node}]}))
    command = [sys.executable, "-m", "distill3d_ros.system.launch_runner", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as launch:
        assert launch.stdout is not None
        lines: list[str] = []
        for line in launch.stdout:
            lines.append(line)
            if "first frame" in line:
                os.kill(launch.pid, signal.SIGINT)
                break
        rest = launch.stdout.read()
        assert launch.wait(20) == 0, "".join(lines) + rest
    assert "Traceback" not in "".join(lines) + rest


def one_pixel_png() -> bytes:
    import cv2
    import numpy as np

    return bytes(cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))[1].tobytes())
