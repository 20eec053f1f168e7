"""MIL's operators between floats and 8-bit numbers, each as its documentation defines it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

RANGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535)}
)
"""Smallest and largest number of the narrow whole-number types."""


def _along(numbers: Tensor | None, x: Tensor, axis: Tensor | None) -> Tensor | float:
    """Lay out one number a channel of `x`, or one in all."""
    if numbers is None:
        return 0.0
    if numbers.dim() == 0 or axis is None:
        return numbers
    shape = [1] * x.dim()
    shape[int(axis)] = -1
    return numbers.reshape(shape)


def _quantize(
    input: Tensor, scale: Tensor, output_dtype: str, zero_point: Tensor | None = None, axis: Tensor | None = None
) -> Tensor:
    """Give clip(round(input / scale) + zero_point)."""
    low, high = RANGES[output_dtype]
    whole = torch.round(input / _along(scale, input, axis)) + _along(zero_point, input, axis)
    return whole.clamp(low, high)


def _dequantize(input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: Tensor | None = None) -> Tensor:
    """Give scale * (input - zero_point)."""
    return (input - _along(zero_point, input, axis)) * _along(scale, input, axis)


def _blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """Give scale * (data - offset), where every scale and offset serves a block of `data`."""

    def spread(numbers: Tensor) -> Tensor:
        for axis, size in enumerate(data.shape):
            numbers = numbers.repeat_interleave(size // numbers.shape[axis], dim=axis)
        return numbers

    shifted = data if offset is None else data - spread(offset)
    return shifted * spread(scale)


OPERATORS: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "constexpr_blockwise_shift_scale": _blockwise_shift_scale,
        "dequantize": _dequantize,
        "quantize": _quantize,
    }
)
"""By operator, what takes its inputs by name."""
