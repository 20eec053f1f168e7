"""Which layers of a model become int8 or int4 in Core ML, and how; float is fp16 there, or fp32 if asked for."""

from collections.abc import Mapping
from types import MappingProxyType

from export.core.precision import WEIGHTED, Kind, Mode, Rule, four_bits

INT8 = (
    # Small ones, through which an error spreads over a whole map or all boxes.
    Rule(("conv_stem", "se", "rpn"), Mode.FLOAT),
    # They hold nearly all of a detector's multiply-adds, and their inputs are even. Depthwise layers and BiFPN sums
    # take inputs whose channels differ by orders of magnitude, and one scale has to serve them all; scores and boxes
    # share none with the features they come from.
    Rule(("conv_pw", "box_head.fc1", "box_head.fc2"), Mode.STATIC, (Kind.CONVOLUTION, Kind.LINEAR)),
    # Core ML has no dynamic quantization.
    Rule(("*",), Mode.WEIGHT_ONLY, WEIGHTED),
)

RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {"fp32": (), "fp16": (), "int8": INT8, "int4": four_bits(Mode.WEIGHT_ONLY, INT8)}
)
"""By precision."""
