"""Which layers of a model become int8 or int4 in ExecuTorch, and how."""

from collections.abc import Mapping
from types import MappingProxyType

from export.core.precision import Kind, Mode, Rule, four_bits

INT8 = (
    # What rounding them costs is more than what it gains, see docs/performance.md.
    Rule(("conv_stem", "body.bn1", "blocks.0", "rpn"), Mode.FLOAT),
    # Gates see one cell, so that their convolutions are linear layers; their means and sigmoids stay in float.
    Rule(("backbone.*.se",), Mode.DYNAMIC, (Kind.CONVOLUTION,)),
    Rule(("backbone.*.se",), Mode.FLOAT, (Kind.ARITHMETIC,)),
    Rule(("backbone",), Mode.STATIC, (Kind.CONVOLUTION, Kind.DEPTHWISE, Kind.ARITHMETIC)),
    # Scores, boxes and region features never share a scale.
    Rule(("*",), Mode.DYNAMIC, (Kind.LINEAR,)),
    Rule(("*",), Mode.WEIGHT_ONLY, (Kind.EMBEDDING,)),
)

RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {"fp32": (), "fp16": (), "int8": INT8, "int4": four_bits(Mode.DYNAMIC, INT8)}
)
"""By precision."""
