"""The paper's student at full size, without its memory: every tensor of VGGT-1B has its place."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import torch
from support.parity.sources import FIXTURES, PUBLISHED
from torch import Tensor

from distill3d_ros.scene.labels import LABELS
from distill3d_ros.student.encoder.vggt import Encoder
from distill3d_ros.student.heads.depth import DptDepthHead, build_depth_head
from distill3d_ros.student.heads.pose import PoseHead
from distill3d_ros.student.presets import paper
from distill3d_ros.student.vggt_weights import VggtWeightsError, load_vggt

RECORDED = PUBLISHED.parent / "reference" / "vggt_1b_keys.json"
TENSORS = {"aggregator": 1210, "camera_head": 69, "depth_head": 62, "point_head": 62, "track_head": 394}
"""Tensors of VGGT-1B by part; 1797 together."""


@pytest.fixture(scope="module")
def parts() -> tuple[Encoder, DptDepthHead, PoseHead]:
    with torch.device("meta"):
        config = paper(LABELS)
        encoder = Encoder(config.encoder)
        depth = build_depth_head(config.depth, encoder)
        assert isinstance(depth, DptDepthHead)
        return encoder, depth, PoseHead(config.encoder.width)


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Name -> shape of all tensors of VGGT-1B."""
    found = {}
    for line in (FIXTURES / "vggt_1b_tensors.txt").read_text().splitlines()[1:]:
        name, shape = line.split()
        numbers = re.search(r"\{0-(\d+)\}", name)
        for n in range(1 + int(numbers[1]) if numbers else 1):
            found[re.sub(r"\{.*\}", str(n), name)] = tuple(int(size) for size in shape.split("x"))
    return found


@pytest.mark.skipif(not RECORDED.is_file(), reason="the recorded list is not at ../shared/reference")
def test_the_list_of_tensors_is_the_recorded_one() -> None:
    recorded = {name: tuple(shape) for name, shape in json.loads(RECORDED.read_text()).items()}
    assert published_shapes() == recorded


def test_all_tensors_of_vggt_1b_are_accounted_for(parts: tuple[Encoder, DptDepthHead, PoseHead]) -> None:
    encoder, depth, pose = parts
    shapes = published_shapes()
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    done = load_vggt(state, encoder=encoder, depth=depth.dpt, pose=pose)
    assert Counter(name.split(".")[0] for name in done.loaded) == {
        part: n for part, n in TENSORS.items() if part not in ("point_head", "track_head")
    }
    assert Counter(name.split(".")[0] for name in done.not_used) == {
        part: n for part, n in TENSORS.items() if part in ("point_head", "track_head")
    }
    assert sorted((*done.loaded, *done.not_used)) == sorted(shapes)
    for name in ("aggregator.frame_blocks.23.attn.q_norm.bias", "depth_head.scratch.output_conv2.2.weight"):
        less: dict[str, Tensor] = {n: t for n, t in state.items() if n != name}
        with pytest.raises(VggtWeightsError, match=f"missing {name}"):
            load_vggt(less, encoder=encoder, depth=depth.dpt, pose=pose)


def test_the_parts_have_as_many_tensors_as_the_published_ones(parts: tuple[Encoder, DptDepthHead, PoseHead]) -> None:
    encoder, depth, pose = parts
    # transformers keeps queries, keys and values of DINOv2 apart, which VGGT has in one: four more a layer.
    fused = 4 * paper(LABELS).encoder.dinov2.layers
    assert len(encoder.state_dict()) - fused == TENSORS["aggregator"]
    assert len(depth.dpt.state_dict()) == TENSORS["depth_head"]
    assert len(pose.state_dict()) == TENSORS["camera_head"]
    assert sum(p.numel() for p in encoder.parameters()) == 909_112_320
    assert sum(p.numel() for p in depth.dpt.parameters()) == 32_654_562
