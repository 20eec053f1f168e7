"""Whole numbers of an artifact, read back from its file, and the arithmetic that they stand for. Plain data and sums.

`export.verify.arithmetic` judges them; each format's `arithmetic` module reads them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from export.core.precision import Decision, Kind

AT_A_HALF = 4
"""Inputs of a row that are rounded as they come, lie at half a step, and may fall to the other side all at once. 1.23
of them were seen in LiteRT's gates."""
NEAR_A_HALF = 1e-4
"""Of a step. The last bit of a factor moves the largest number, of 255 steps, by some 6e-5."""


@dataclass(frozen=True, kw_only=True)
class StoredWeight:
    """Weights of one layer as the file has them.

    Attributes:
        values: (O, ...), whole numbers, or floats where the layer is stored in float; laid out as PyTorch's.
        scale: (1, 1), (O, 1) or (O, G) float32: of the table, of each row, or of each group of a row.
        zero: The same shape, the whole number that stands for 0.
        bits: Of each value; 32 of floats.
        bias: (O,) float32 as the file has it, or float64 that its whole numbers stand for; None without one.
        bias_step: (O,) what one of those whole numbers stands for; None where the bias is stored in float.
        factor: What the converter has multiplied the model's weights with.
        affine: (I,) gains and (I,) shifts of the layer's inputs that the converter has put into weights and bias; None
            where it has not.
        moments: (I, I) sums of products of the inputs that a row's weights were rounded together for, see
            `export.backends.onnx.rounding`; None where each was rounded by itself.
        half: Whether the converter has rounded weights and bias to float16 before anything else.
    """

    values: Tensor
    scale: Tensor
    zero: Tensor
    bits: int
    bias: Tensor | None = None
    bias_step: Tensor | None = None
    factor: float = 1.0
    affine: tuple[Tensor, Tensor] | None = None
    moments: Tensor | None = None
    half: bool = False

    @property
    def by_group(self) -> Tensor:
        """The values less their zeros, (O, G, n) float32."""
        rows = self.values.reshape(len(self.values), self.scale.shape[1], -1).float()
        return rows - self.zero[..., None]

    @property
    def largest(self) -> Tensor:
        """What the largest weight of each row stands for, (O,); of a row of zeros what 1 would stand for."""
        return (self.by_group.abs().amax(dim=-1).clamp(min=1.0) * self.scale).amax(dim=1)

    @property
    def floats(self) -> Tensor:
        """What the values stand for, in their shape."""
        return (self.by_group * self.scale[..., None]).reshape(self.values.shape)

    @property
    def floats_exactly(self) -> Tensor:
        """The same in float64, which holds the products of whole numbers and scales as they are."""
        return (self.by_group.double() * self.scale[..., None].double()).reshape(self.values.shape)


@dataclass(frozen=True, kw_only=True)
class LayerRun:
    """What a layer computes on what went into it in the runtime.

    Attributes:
        given: By the runtime.
        expected: The same by whole numbers in PyTorch, from the same inputs; the same shape.
        step: What one step is, of a shape that broadcasts: of the output's scale where it has one, else what a step of
            `AT_A_HALF` inputs changes at most, by the largest weight of a row.
    """

    given: Tensor
    expected: Tensor
    step: Tensor


@dataclass(frozen=True, kw_only=True)
class IntegerLayer:
    """One operator of an artifact.

    Attributes:
        layer: Dotted name of its module.
        kind: What it does.
        weight: None where it has none.
        run: None where it computes in float.
    """

    layer: str
    kind: Kind
    weight: StoredWeight | None
    run: LayerRun | None


class Integers(NamedTuple):
    """Everything about a method's whole numbers.

    Attributes:
        decisions: What the recipe has decided about the method's layers with weights.
        layers: Every operator that has weights or computes with whole numbers, in the order of execution.
        one_scale: Kinds of layers whose tables have one scale in this format, rather than one a row, where none of a
            group is asked for.
    """

    decisions: Sequence[Decision]
    layers: Iterable[IntegerLayer]
    one_scale: tuple[Kind, ...] = ()


def shared_scale(weight: Tensor, steps: float) -> Tensor:
    """Return the (...,) float32 scale at which the largest of (..., n) numbers takes some steps."""
    return weight.abs().amax(dim=-1) / steps


def product(rows: Tensor, weights: Tensor) -> Tensor:
    """Return the (..., O) sums of products of whole numbers, exactly, as float64.

    Args:
        rows: (..., I) whole numbers.
        weights: (O, I) whole numbers.
    """
    return rows.double() @ weights.double().T


def convolved(
    maps: Tensor,
    weights: Tensor,
    *,
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> Tensor:
    """Return the (N, H', W', O) sums of a convolution, exactly, as float64.

    Args:
        maps: (N, H, W, I) whole numbers, channels last as XNNPACK has them.
        weights: (O, I / groups, h, w).
        pads: Cells around a map: left, right, top, bottom.
        strides: Down and to the right.
        dilations: Likewise.
        groups: Of channels.
    """
    padded = F.pad(maps.double().permute(0, 3, 1, 2), list(pads))
    found = F.conv2d(padded, weights.double(), None, tuple(strides), 0, tuple(dilations), groups)
    return found.permute(0, 2, 3, 1)


def rounded_rows(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return what XNNPACK makes of (..., n) float32 rows: int8 less each row's zero, and each row's step (..., 1).

    A row of a map is one cell's channels.

    The zero is rounded from that end of the range that it is further from. A step is the range in 255 parts, and
    numbers are multiplied by one over it: where maps of whole numbers are rounded anew, hundreds lie at a half, and the
    last bit of the factor tells which way they fall.
    """
    low = values.amin(dim=-1, keepdim=True).clamp(max=0.0)
    high = values.amax(dim=-1, keepdim=True).clamp(min=0.0)
    step = torch.where(low == high, 1.0, (high - low) / 255.0)
    per_step = 1.0 / step
    from_low, from_high = -128.0 - low * per_step, 127.0 - high * per_step
    nearer = (-128.0 + low * per_step) + (127.0 + high * per_step) > 0.0
    zero = torch.round(torch.where(nearer, from_low, from_high).clamp(-128.0, 127.0))
    return (torch.round(values * per_step) + zero).clamp(-128.0, 127.0) - zero, step


def may_fall(values: Tensor, step: Tensor) -> Tensor:
    """Return how many of each row's numbers may fall to the other side when they are rounded, at least `AT_A_HALF`.

    Args:
        values: (..., n) float32, before rounding.
        step: (..., 1), see `rounded_rows`.

    Returns:
        (..., 1) int64.
    """
    parts = values / step
    return ((parts - parts.floor() - 0.5).abs() < NEAR_A_HALF).sum(dim=-1, keepdim=True).clamp(min=AT_A_HALF)


def requantized(real: Tensor, scale: float, zero: int, low: int, high: int) -> Tensor:
    """Return the whole numbers from `low` to `high` that stand for real ones; halves go to the even one."""
    return (torch.round(real.double() / scale) + zero).clamp(low, high)
