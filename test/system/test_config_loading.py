"""Dataclasses from YAML: what is taken, and what is refused with its dotted key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from distill3d_ros.system.config_loading import build, load_yaml, read_yaml, to_dict


@dataclass(kw_only=True, slots=True)
class Camera:
    size: tuple[int, int] = (640, 480)
    fov: float = 60.0


@dataclass(kw_only=True, slots=True)
class Rig:
    name: str
    cameras: tuple[Camera, ...] = ()
    weights: dict[str, int | float] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    record: bool = False

    def __post_init__(self) -> None:
        if self.name == "none":
            raise ValueError(f"name must be a name. Got {self.name!r}")


def test_what_was_written_is_read_back() -> None:
    text = "{name: a, cameras: [{size: [32, 24], fov: 1e-3}, {fov: 70}], weights: {x: 1, y: .5}, more: {deep: [1, {}]}}"
    rig = build(Rig, read_yaml(text), where="rig.yaml")
    assert rig.cameras == (Camera(size=(32, 24), fov=0.001), Camera(fov=70.0))
    assert [type(v) for v in rig.weights.values()] == [int, float]
    assert build(Rig, to_dict(rig), where="rig.yaml") == rig


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nam: a}", "rig.yaml: unknown key 'nam'; did you mean 'name'?"),
        ("{name: a, zzz: 1}", "rig.yaml: unknown key 'zzz'; known keys: name, cameras, weights, more, record"),
        ("{cameras: []}", "rig.yaml: name is missing"),
        ("{name: 3}", "rig.yaml: name must be of type str. Got 3"),
        ("{name: none}", "name must be a name. Got 'none'"),
        ("{name: a, record: 1}", "rig.yaml: record must be of type bool. Got 1"),
        ("{name: a, cameras: 1}", "rig.yaml: cameras must be a list. Got 1"),
        ("{name: a, cameras: [1]}", "rig.yaml: cameras[0] must be a mapping. Got 1"),
        ("{name: a, cameras: [{}, {fow: 1}]}", "rig.yaml: cameras[1]: unknown key 'fow'; did you mean 'fov'?"),
        ("{name: a, cameras: [{fov: wide}]}", "rig.yaml: cameras[0].fov must be a number. Got 'wide'"),
        ("{name: a, cameras: [{size: 3}]}", "rig.yaml: cameras[0].size must be a list of 2 values. Got 3"),
        ("{name: a, cameras: [{size: [3]}]}", "rig.yaml: cameras[0].size must be a list of 2 values. Got [3]"),
        ("{name: a, cameras: [{size: [1, 2, 3]}]}", "cameras[0].size must be a list of 2 values. Got [1, 2, 3]"),
        ("{name: a, cameras: [{size: [1, 2.5]}]}", "rig.yaml: cameras[0].size[1] must be of type int. Got 2.5"),
        ("{name: a, weights: [1]}", "rig.yaml: weights must be a mapping. Got [1]"),
        ("{name: a, weights: {x: high}}", "rig.yaml: weights.x must be a number. Got 'high'"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        build(Rig, read_yaml(text), where="rig.yaml")
    assert str(caught.value).endswith(message)


def test_files_that_are_no_configuration_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    with pytest.raises(ValueError, match=r"no configuration at .*a\.yaml; config/b\.yaml is one"):
        load_yaml(file, example="config/b.yaml")
    file.write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"a\.yaml must hold a mapping\. Got list"):
        load_yaml(file, example="config/b.yaml")
    file.write_text("a: [1")
    with pytest.raises(ValueError, match=r"a\.yaml is not valid YAML: expected ',' or '\]'.*, in line 1, column 6$"):
        load_yaml(file, example="config/b.yaml")
