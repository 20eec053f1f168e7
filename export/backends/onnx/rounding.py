"""Rounding the weights of pointwise convolutions to int8 so that their outputs, not the weights, stay close.

Rounded one by one, errors of weights add up where inputs go together, and behind swish all inputs do: their means are
large. So each input channel's rounding error is made good by the channels that are still to be rounded, as far as the
inputs' second moments allow (Frantar et al. 2023, "GPTQ", algorithm 1).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from export.backends.onnx.values import seen

DAMPING = 0.01
"""Share of the mean second moment that is added to each, for inputs that were always zero in calibration."""


def channel_scales(weight: Any) -> Any:
    """Return the (O,) float32 int8 step of every output channel of a weight, output channels first.

    A channel whose step would be no float32, of zeros or next to them, gets 1 and rounds to zeros.
    """
    steps = (np.abs(weight).reshape(len(weight), -1).max(axis=1) / 127.0).astype(np.float32)
    return np.where(steps > 0.0, steps, np.float32(1.0))


def round_to_nearest(weight: Any) -> tuple[Any, Any]:
    """Round a float32 weight, output channels first, to int8 values and one float32 step a channel."""
    scale = channel_scales(weight)
    values = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
    return np.clip(values, -127, 127).astype(np.int8), scale


def round_for_inputs(weight: Any, moments: Any) -> tuple[Any, Any]:
    """Round a weight of a pointwise convolution for given inputs.

    Args:
        weight: (O, I, 1, 1) float32.
        moments: (I, I) sums of products of input channels over cells.

    Returns:
        Values as int8 of the weight's shape, and (O,) float32 steps.
    """
    scale = channel_scales(weight)
    left = weight[:, :, 0, 0].astype(np.float64)  # what is to be rounded, corrected as it goes; columns are inputs
    damping = DAMPING * np.trace(moments) / len(moments) + np.finfo(np.float64).tiny
    factor = np.linalg.cholesky(np.linalg.inv(moments + damping * np.eye(len(moments)))).T
    values = np.empty_like(left)
    for channel in range(left.shape[1]):
        values[:, channel] = np.clip(np.rint(left[:, channel] / scale), -127, 127)
        error = (left[:, channel] - values[:, channel] * scale) / factor[channel, channel]
        left[:, channel + 1 :] -= np.outer(error, factor[channel, channel + 1 :])
    return values.astype(np.int8).reshape(weight.shape), scale


def second_moments(
    model: onnx.ModelProto, values: Sequence[str], samples: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Run a graph and return, for each named inner (1, C, H, W) value, the (C, C) sums of products over cells."""
    sums: dict[str, Any] = {}
    for name, array in seen(model, values, samples):
        rows = array.reshape(array.shape[1], -1).astype(np.float64)
        sums[name] = sums.get(name, 0.0) + rows @ rows.T
    return sums
