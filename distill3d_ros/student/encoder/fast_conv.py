"""Fast convolutions on a CPU: the backward pass of depthwise ones, and the forward pass of all without gradients.

The gradients of a 5x5 kernel's weights, and in bfloat16 those of a strided convolution's input, fall back to slow
reference code in torch's CPU library (measured with 2 threads, batch 16, 480 channels, 14x14, 5x5, bfloat16: forward
0.5 ms, weight gradient 32 ms). Both have fast equals: the taps of a 5x5 kernel are covered by four 3x3 kernels, and
float32 has a fast path for strides. Values agree with torch's to rounding; a test checks it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class _Depthwise(torch.autograd.Function):
    """``x`` (B, C, H, W), ``weight`` (C, 1, k, k), ``bias`` (C,); ``padding`` on all four sides."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight, bias, stride, padding, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        grad_x = _input_gradient(grad, x, weight, ctx.stride, ctx.padding) if needs_x else None
        grad_weight = _weight_gradient(grad, x, weight, ctx.stride, ctx.padding) if needs_weight else None
        return grad_x, grad_weight, grad.sum((0, 2, 3)) if needs_bias else None, None, None


def _backward(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, mask: list[bool]
) -> tuple[Tensor, ...]:
    strides, paddings = [stride, stride], [padding, padding]
    return torch.ops.aten.convolution_backward(
        grad, x, weight, None, strides, paddings, [1, 1], False, [0, 0], x.shape[1], mask
    )


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    only_x = [True, False, False]
    if stride == 1:
        return _backward(grad, x, weight, stride, padding, only_x)[0]
    return _backward(grad.float(), x.float(), weight.float(), stride, padding, only_x)[0].to(x.dtype)


def _weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    kernel, only_weight = weight.shape[-1], [False, True, False]
    if kernel <= 3:
        return _backward(grad, x, weight, stride, padding, only_weight)[1]
    if padding:
        x = functional.pad(x, (padding, padding, padding, padding))
    result = torch.empty_like(weight)
    part = weight[..., :3, :3].contiguous()
    rows, columns = (grad.shape[-2] - 1) * stride + 3, (grad.shape[-1] - 1) * stride + 3
    offsets = sorted({*range(0, kernel - 2, 3), kernel - 3})  # 3x3 parts that cover all taps, e.g. 0 and 2 for 5
    for top in offsets:
        for left in offsets:
            window = x[..., top : top + rows, left : left + columns].contiguous(memory_format=torch.channels_last)
            result[..., top : top + 3, left : left + 3] = _backward(grad, window, part, stride, 0, only_weight)[1]
    return result


def depthwise_conv(x: Tensor, weight: Tensor, bias: Tensor, *, stride: int, padding: int) -> Tensor:
    """Depthwise convolution; weight and bias are cast to the input's type."""
    weight, bias = weight.to(x.dtype), bias.to(x.dtype)
    if torch.is_grad_enabled() and x.device.type == "cpu":
        return _Depthwise.apply(x, weight, bias, stride, padding)
    return functional.conv2d(x, weight, bias, stride, padding, 1, x.shape[1])


def conv_relu6(
    x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int, *, linear: bool
) -> Tensor:
    """Convolution and ReLU6 (unless ``linear``) without gradients, in one kernel where oneDNN is there.

    A small network is bound by memory traffic: fused, the widest layer takes a quarter of the time.
    """
    weight, bias = weight.to(x.dtype), bias.to(x.dtype)
    if linear or x.device.type != "cpu" or torch.jit.is_tracing() or not _is_fused(x.dtype):
        y = functional.conv2d(x, weight, bias, stride, padding, 1, groups)
        return y if linear else functional.relu6(y, inplace=True)
    return torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, [padding, padding], [stride, stride], [1, 1], groups, "hardtanh", [0.0, 6.0], ""
    )


@cache
def _is_fused(dtype: torch.dtype) -> bool:
    """Whether the one kernel is there for numbers of this type: x86 without AVX-512 has none for bfloat16."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    one = torch.ones(1, 1, 1, 1, dtype=dtype)
    try:
        torch.ops.mkldnn._convolution_pointwise(
            one, one, one.flatten(), [0, 0], [1, 1], [1, 1], 1, "hardtanh", [0.0, 6.0], ""
        )
    except RuntimeError:
        return False
    return True
