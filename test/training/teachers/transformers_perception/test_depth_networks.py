"""Public depth networks on one picture: every pixel where it was, metres or relative depth."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.training.tiny_networks import tiny_network
from torch import Tensor

from distill3d_ros.training.teachers.transformers_perception.depth_networks import (
    DepthNetwork,
    load_depth_network,
    relative_depth,
    sampled,
)

KINDS = ("depth_anything", "depth_anything-metric", "dpt", "zoedepth", "glpn")
CPU = torch.device("cpu")


def load(kind: str, folder: Path) -> DepthNetwork:
    return load_depth_network(
        str(tiny_network(kind, folder / kind)), output="metric" if kind == "dpt" else None, device=CPU
    )


class Brightness(torch.nn.Module):
    """A network whose depth is the brightness of its input, 0..1 as the picture had it."""

    def __init__(self, real: Any, processor: Any) -> None:
        super().__init__()
        self.config, self.weight = real.config, next(real.parameters())
        normal = processor.image_mean is not None and getattr(processor, "do_normalize", False)
        self.mean, self.std = (processor.image_mean[0], processor.image_std[0]) if normal else (0.0, 1.0)

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        return SimpleNamespace(predicted_depth=pixel_values[:, 0] * self.std + self.mean)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "depth_anything"])
@pytest.mark.parametrize("size", [(64, 96), (100, 64)], ids=["wide", "high"])
@pytest.mark.parametrize("across", [True, False], ids=["across", "down"])
def test_depth_comes_back_to_its_pixels(kind: str, size: tuple[int, int], across: bool, tmp_path: Path) -> None:
    """A ramp of brightness through each processor's resizing and padding: half the picture's size, cell by cell."""
    estimator = load(kind, tmp_path)
    network = estimator.network
    object.__setattr__(network, "model", Brightness(network.model, network.processor))
    height, width = size
    ramp = np.linspace(20, 220, width)[None].repeat(height, 0) if across else np.linspace(20, 220, height)[:, None]
    image = np.broadcast_to(ramp, size).round().astype(np.uint8)[..., None].repeat(3, 2)
    found = estimator.estimate(np.ascontiguousarray(image))
    expected = image[..., 0].reshape(height // 2, 2, width // 2, 2).mean((1, 3)) / 255
    assert found.shape == (height // 2, width // 2)
    inner = (slice(3, -3), slice(3, -3))  # at the edges resizing repeats the outermost pixels
    step = 200 / 255 / (width if across else height)
    assert np.abs(found - expected)[inner].max() < 1.2 * step


def test_what_configurations_say_is_believed(tmp_path: Path) -> None:
    said = {kind: load(kind, tmp_path).output for kind in KINDS if kind != "dpt"}
    assert said == {
        "depth_anything": "inverse",
        "depth_anything-metric": "metric",
        "zoedepth": "metric",
        "glpn": "metric",
    }
    dpt = str(tiny_network("dpt", tmp_path / "dpt"))
    with pytest.raises(ValueError, match=r"--depth-output must say what '.*dpt' estimates, metric or inverse"):
        load_depth_network(dpt, output=None, device=CPU)
    assert load_depth_network(dpt, output="inverse", device=CPU).relative
    with pytest.raises(ValueError, match=r"--depth-output: the configuration of '.*glpn' says metric.*Got inverse"):
        load_depth_network(str(tmp_path / "glpn"), output="inverse", device=CPU)


def test_metric_depth_agrees_with_the_networks_own_post_processing(tmp_path: Path) -> None:
    estimator = load("glpn", tmp_path)
    image = np.random.default_rng(1).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    processor, model = estimator.network.processor, estimator.network.model
    with torch.inference_mode():
        out = model(**processor(images=image, return_tensors="pt"))
    (theirs,) = processor.post_process_depth_estimation(out, target_sizes=[(32, 48)])
    found = estimator.estimate(image)
    spread = float(theirs["predicted_depth"].std())
    assert np.abs(found - theirs["predicted_depth"].numpy()).mean() < 0.5 * spread  # they sample bicubically
    assert np.median(found) == pytest.approx(float(theirs["predicted_depth"].median()), rel=1e-3)


def test_relative_depth_keeps_the_shape_of_its_inverse() -> None:
    """Inverse depths 2, 3 and 6 become 1/10, 1/10 + 9/40 and 1."""
    found = relative_depth(np.array([[2.0, 3.0, 6.0]], np.float32))
    np.testing.assert_allclose(1 / found, [[0.1, 0.1 + 0.225, 1.0]], rtol=1e-6)
    assert not relative_depth(np.full((2, 3), 4.0, np.float32)).any()


def test_cells_are_sampled_at_their_centres() -> None:
    """Four columns 0, 1, 2, 3: the middle half, as two cells, has its centres at columns 1 and 2."""
    image = torch.arange(4.0)[None, None].expand(1, 2, 4)
    torch.testing.assert_close(sampled(image, (0.25, 0.0, 0.75, 1.0), (1, 2)), torch.tensor([[[1.0, 2.0]]]))
    torch.testing.assert_close(sampled(image, (0, 0, 1, 1), (2, 4)), image)
    torch.testing.assert_close(sampled(image, (0, 0, 1, 1), (1, 2)), torch.tensor([[[0.5, 2.5]]]))


def test_what_is_no_depth_network_is_refused(tmp_path: Path) -> None:
    detector = tiny_network("rt_detr", tmp_path / "detector")
    with pytest.raises(ValueError, match=r"--depth must be a network for depth of single pictures.*which is 'rt_detr'"):
        load_depth_network(str(detector), output=None, device=CPU)
    broken = tiny_network("glpn", tmp_path / "broken")
    (broken / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match=r"--depth: '.*broken' cannot be loaded as a network for depth of single"):
        load_depth_network(str(broken), output=None, device=CPU)
