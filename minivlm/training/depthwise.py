"""Depthwise convolutions whose gradients a CPU computes quickly.

oneDNN has fast kernels for the gradient of 3x3 weights and for the forward pass; its gradients of 5x5 weights and, in
bfloat16, of inputs at stride 2 are up to seventy times slower (PyTorch 2.13). The same numbers come from the fast ones:
a 5x5 gradient is four 3x3 gradients of shifted inputs, and an input's gradient is a convolution with the weights turned
around. docs/training.md has the times.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

BLOCK = 3
"""Side of the weight gradients that are fast."""


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution as `nn.Conv2d` computes it, with the gradients of `Depthwise`."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, ceil(H / stride), ceil(W / stride))."""
        kind = input.device.type
        if torch.is_autocast_enabled(kind):  # outside of `Depthwise`, whose gradients autocast would not see
            dtype = torch.get_autocast_dtype(kind)
            return Depthwise.apply(input.to(dtype), self.weight.to(dtype), self.stride[0])
        return Depthwise.apply(input, self.weight, self.stride[0])


class Depthwise(torch.autograd.Function):
    """Depthwise convolution with 3x3 or 5x5 weights, symmetric padding, and gradients of first order."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, stride: int) -> Tensor:
        """Map (B, C, H, W) with (C, 1, K, K) to (B, C, ceil(H / stride), ceil(W / stride))."""
        ctx.save_for_backward(input, weight)
        ctx.stride = stride
        return _convolve(input, weight, stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Return the gradients of input and weight, where they are asked for."""
        input, weight = ctx.saved_tensors
        of_input = of_weight = None
        if ctx.needs_input_grad[0] and input.dtype == torch.bfloat16:
            of_input = input_gradient(gradient, input, weight, ctx.stride)
        elif ctx.needs_input_grad[0]:
            padding = weight.shape[-1] // 2
            of_input = _backward(gradient, input, weight, ctx.stride, padding, of_input=True)
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient(gradient, input, weight, ctx.stride)
        return of_input, of_weight, None


def input_gradient(gradient: Tensor, input: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient of the (B, C, H, W) input, given that of the output: each cell of it, spread out again."""
    spread = gradient
    if stride > 1:
        spread = torch.zeros_like(input)
        spread[:, :, ::stride, ::stride] = gradient
    return _convolve(spread, weight.flip(2, 3), 1)


def weight_gradient(gradient: Tensor, input: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient of the (C, 1, K, K) weights, given that of the output: block by block."""
    side = weight.shape[-1]
    if side == BLOCK:
        return _backward(gradient, input, weight, stride, 1, of_input=False)
    padded = F.pad(input, [side // 2] * 4)
    height, width = (stride * (cells - 1) + BLOCK for cells in gradient.shape[2:])
    result = torch.empty_like(weight)
    block = weight[:, :, :BLOCK, :BLOCK].contiguous()  # for its shape
    for top in range(0, side - BLOCK + 1, BLOCK - 1):
        for left in range(0, side - BLOCK + 1, BLOCK - 1):
            seen = padded[:, :, top : top + height, left : left + width]
            found = _backward(gradient, seen, block, stride, 0, of_input=False)
            result[:, :, top : top + BLOCK, left : left + BLOCK] = found
    return result


def _backward(gradient: Tensor, input: Tensor, weight: Tensor, stride: int, padding: int, *, of_input: bool) -> Tensor:
    """Return PyTorch's own gradient of the input, or of the weight."""
    both = torch.ops.aten.convolution_backward(
        gradient,
        input,
        weight,
        None,
        [stride] * 2,
        [padding] * 2,
        [1, 1],
        False,
        [0, 0],
        len(weight),
        [of_input, not of_input, False],
    )
    return both[0 if of_input else 1]


def _convolve(input: Tensor, weight: Tensor, stride: int) -> Tensor:
    return F.conv2d(input, weight, None, stride, weight.shape[-1] // 2, 1, len(weight))


def is_depthwise(module: nn.Module) -> bool:
    """Tell whether a module is a convolution that `DepthwiseConv2d` may stand in for."""
    return (
        type(module) is nn.Conv2d
        and module.groups == module.in_channels == module.out_channels
        and module.bias is None
        and module.kernel_size in ((3, 3), (5, 5))
        and module.stride in ((1, 1), (2, 2))
        and module.padding == (module.kernel_size[0] // 2,) * 2
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
    )


def quicken(model: nn.Module) -> None:
    """Put `DepthwiseConv2d` in the place of a model's depthwise convolutions; weights and their names stay.

    For training on a CPU. Exporters get a model built anew, with the convolutions that they know.

    Args:
        model: Changed in place.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if is_depthwise(child):
                parent.add_module(name, _standing_in(child))


def _standing_in(convolution: nn.Module) -> DepthwiseConv2d:
    assert isinstance(convolution, nn.Conv2d)
    with torch.device("meta"):
        made = DepthwiseConv2d(
            convolution.in_channels,
            convolution.out_channels,
            convolution.kernel_size[0],
            stride=convolution.stride[0],
            padding=convolution.kernel_size[0] // 2,
            groups=convolution.groups,
            bias=False,
        )
    made.weight = convolution.weight
    return made.train(convolution.training)
