"""Weights to the nearest whole numbers for Core ML: coremltools' own pass, with its sums in float64.

coremltools divides weights by their scale in float16, and rounds the scale, as it is stored, to whichever side is
nearer. A quotient of 100.52 becomes 100.5 and then 100; and a row whose weights are all small has a scale of few
digits, beyond which its largest weights are cut off.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def weight_quantizer(config: Any) -> Any:
    """Return coremltools' pass that stores weights as a config has them, each as the nearest whole number.

    Args:
        config: `coremltools.optimize.coreml.OptimizationConfig`, symmetric modes only.
    """
    from coremltools.converters.mil.mil import types
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.optimize import _utils

    def compressed(weight: Any, dtype: Any, mode: str, blocks: Sequence[int]) -> Any:
        if any(block and size % block for size, block in zip(weight.shape, blocks, strict=True)):
            return None  # which leaves the weight as it is
        data, scale = nearest(weight, dtype.get_bitwidth(), blocks)
        data = data.astype(types.nptype_from_builtin(dtype))
        return _utils.QuantParams(data=data, scale=scale, offset=None, nbits=np.uint8(dtype.get_bitwidth()))

    quantizer: Any = type(PASS_REGISTRY["compression::linear_quantize_weights"])()
    quantizer.set_options([PassOption("config", config)])
    quantizer.blockwise_compress_by_dtype = compressed
    return quantizer


def nearest(weight: Any, bits: int, blocks: Sequence[int]) -> tuple[Any, Any]:
    """Return the whole numbers nearest to weights in steps of their scales, and the scales.

    No weight is beyond the largest whole number: a scale that its type cannot hold is rounded up.

    Args:
        weight: Array of floats.
        bits: Of a whole number; the lowest is not used, so that 0 is in the middle.
        blocks: By axis, how many weights one after another share a scale; 0 where all of the axis do.

    Returns:
        int32 of the weights' shape, and their float type with a scale a block, 1 for a block of zeros.
    """
    most = 2 ** (bits - 1) - 1
    lengths = [block or size for size, block in zip(weight.shape, blocks, strict=True)]
    counts = [size // length for size, length in zip(weight.shape, lengths, strict=True)]
    blocked = [part for pair in zip(counts, lengths, strict=True) for part in pair]
    exact = weight.astype(np.float64).reshape(blocked)
    largest = np.abs(exact).max(axis=tuple(range(1, len(blocked), 2)), keepdims=True)
    scale = (largest / most).astype(weight.dtype)
    short = scale.astype(np.float64) * most < largest
    scale = np.where(short, np.nextafter(scale, np.array(np.inf, weight.dtype)), scale)
    scale = np.where(largest > 0.0, scale, np.array(1.0, weight.dtype))
    data = np.rint(exact / scale.astype(np.float64)).astype(np.int32)
    return data.reshape(weight.shape), scale.reshape(counts)
