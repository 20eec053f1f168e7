"""MIL's convolution, pooling, matrix products, normalisation and softmax, each as its documentation defines it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from minivlm.errors import UserError


def padding(
    pad_type: str, pad: Tensor | None, sizes: list[int], kernel: list[int], strides: list[int], dilations: list[int]
) -> list[int]:
    """Return how many cells are put around spatial axes: before and after the first axis, the second, and so on.

    "same" gives ceil(size / stride) cells; where the sum is odd, the end gets one more, with "same_lower" the start.
    """
    if pad_type == "valid":
        return [0] * (2 * len(sizes))
    if pad_type == "custom":
        if pad is None:
            raise UserError("pad_type custom without pad: the program is malformed, export it again")
        return [int(cells) for cells in pad.tolist()]
    around = []
    for size, length, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        reach = (length - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        small, large = total // 2, total - total // 2
        around += [small, large] if pad_type == "same" else [large, small]
    return around


def _padded(x: Tensor, around: list[int], value: float) -> Tensor:
    """Pad as `padding` says; `F.pad` counts axes from the last."""
    pairs = [around[index : index + 2] for index in range(0, len(around), 2)]
    return F.pad(x, [cells for pair in reversed(pairs) for cells in pair], value=value)


def _ints(value: Tensor | None, default: list[int]) -> list[int]:
    return default if value is None else value.tolist()


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """(1, C, H, W) with (O, C / groups, kh, kw) weights."""
    if x.dim() != 4:
        raise UserError(f"conv of rank {x.dim()}: the reference executor convolves maps, rank 4")
    steps, spread = _ints(strides, [1, 1]), _ints(dilations, [1, 1])
    around = padding(pad_type, pad, list(x.shape[2:]), list(weight.shape[2:]), steps, spread)
    return F.conv2d(_padded(x, around, 0.0), weight, bias, steps, 0, spread, 1 if groups is None else int(groups))


def _max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    ceil_mode: Tensor | None = None,
) -> Tensor:
    kernel, steps, around = _window(x, kernel_sizes, pad_type, strides, pad, ceil_mode)
    return F.max_pool2d(_padded(x, around, float("-inf")), kernel, steps)


def _avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    exclude_padding_from_average: Tensor | None = None,
    ceil_mode: Tensor | None = None,
) -> Tensor:
    kernel, steps, around = _window(x, kernel_sizes, pad_type, strides, pad, ceil_mode)
    mean = F.avg_pool2d(_padded(x, around, 0.0), kernel, steps)
    if exclude_padding_from_average is not None and bool(exclude_padding_from_average):
        mean = mean / F.avg_pool2d(_padded(torch.ones_like(x), around, 0.0), kernel, steps)
    return mean


def _window(
    x: Tensor, kernel_sizes: Tensor, pad_type: str, strides: Tensor | None, pad: Tensor | None, ceil_mode: Tensor | None
) -> tuple[list[int], list[int], list[int]]:
    """Return kernel, strides and padding of a pooling window."""
    if x.dim() != 4 or (ceil_mode is not None and bool(ceil_mode)):
        raise UserError("pooling of other than maps, or with ceil_mode: the reference executor does neither")
    kernel = kernel_sizes.tolist()
    steps = _ints(strides, [1] * len(kernel))
    return kernel, steps, padding(pad_type, pad, list(x.shape[2:]), kernel, steps, [1] * len(kernel))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(..., C) with (O, C) weights."""
    return F.linear(x, weight, bias)


def _matmul(x: Tensor, y: Tensor, transpose_x: Tensor | None = None, transpose_y: Tensor | None = None) -> Tensor:
    if transpose_x is not None and bool(transpose_x):
        x = x.transpose(-1, -2)
    if transpose_y is not None and bool(transpose_y):
        y = y.transpose(-1, -2)
    return x @ y


def _layer_norm(
    x: Tensor, axes: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: Tensor | None = None
) -> Tensor:
    over = axes.tolist()
    centred = x - x.mean(over, keepdim=True)
    variance = centred.square().mean(over, keepdim=True)
    normal = centred / torch.sqrt(variance + (1e-5 if epsilon is None else epsilon))
    scaled = normal if gamma is None else normal * gamma
    return scaled if beta is None else scaled + beta


def _softmax(x: Tensor, axis: Tensor | None = None) -> Tensor:
    return torch.softmax(x, dim=-1 if axis is None else int(axis))


OPERATORS: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "avg_pool": _avg_pool,
        "conv": _conv,
        "layer_norm": _layer_norm,
        "linear": _linear,
        "matmul": _matmul,
        "max_pool": _max_pool,
        "softmax": _softmax,
    }
)
"""By operator, what takes its inputs by name."""
