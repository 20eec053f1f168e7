"""What XNNPACK's operators without weights compute, in PyTorch, on the real numbers that whole ones stand for."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from export.backends.executorch.xnnpack_graph import XnnGraph, float_of

Held = Mapping[str, Any]
"""What the schema says of an operator of its type."""


def _largest(_: XnnGraph, held: Held, inputs: Sequence[Tensor]) -> Tensor:
    """Return the largest of each window of a (N, H, W, C) map; what lies outside of it is not in any."""
    sides = [held[f"padding_{side}"] for side in ("left", "right", "top", "bottom")]
    around = F.pad(inputs[0].permute(0, 3, 1, 2), sides, value=float("-inf"))
    size, stride, dilation = (
        (held[f"{name}_height"], held[f"{name}_width"]) for name in ("pooling", "stride", "dilation")
    )
    return F.max_pool2d(around, size, stride, dilation=dilation).permute(0, 2, 3, 1)


def _padded(_: XnnGraph, held: Held, inputs: Sequence[Tensor]) -> Tensor:
    ends = zip(held["pre_paddings"], held["post_paddings"], strict=True)
    sides = [side for pair in reversed(list(ends)) for side in pair]  # of the last dimension first
    return F.pad(inputs[0], sides, value=float_of(held["padding_value"]))


def _cut(_: XnnGraph, held: Held, inputs: Sequence[Tensor]) -> Tensor:
    found = inputs[0]
    for axis, (start, size) in enumerate(zip(held["offsets"], held["sizes"], strict=True)):
        found = found.narrow(axis, start, size)
    return found


def _same(graph: XnnGraph, held: Held, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0].reshape(graph.tensor(held["output_id"])["dims"])


def _joined(_: XnnGraph, held: Held, inputs: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(inputs), dim=held["axis"])


MEAN = "XNNGlobalAvgPooling2d"
SIMULATED: Mapping[str, Callable[[XnnGraph, Held, Sequence[Tensor]], Tensor]] = MappingProxyType(
    {
        "XNNAdd": lambda _, __, inputs: inputs[0] + inputs[1],
        "XNNMultiply": lambda _, __, inputs: inputs[0] * inputs[1],
        "XNNSigmoid": lambda _, __, inputs: inputs[0].sigmoid(),
        MEAN: lambda _, __, inputs: inputs[0].mean(dim=(1, 2), keepdim=True),
        "XNNMaxPooling2d": _largest,
        "XNNStaticTranspose": lambda _, held, inputs: inputs[0].permute(held["perm"]),
        "XNNStaticConstantPad": _padded,
        "XNNStaticSlice": _cut,
        "XNNStaticReshape": _same,
        "XNNConvert": _same,
        "XNNClamp": _same,
        "XNNCopy": _same,
        **{f"XNNConcatenate{count}": _joined for count in range(2, 6)},
    }
)
"""By operator, the real numbers that it gives for those that go in."""
