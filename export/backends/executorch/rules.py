"""Which layers of a model become int8 in ExecuTorch, and how."""

from collections.abc import Mapping
from types import MappingProxyType

from export.core.precision import Kind, Mode, Rule

INT8 = (
    # Each rounding of a map costs 40 dB, and a block has nine. On one photo, with random weights, everything in int8
    # left features of 15.6 dB and a tenth of the regions; with the early blocks, which hold little of the weights, in
    # float it was 21.5 dB and six tenths. Fusions mix whole maps.
    Rule(("conv_stem", "body.bn1", "blocks.[012]", "bifpn", "rpn"), Mode.FLOAT),
    # Gates see one cell, so that their convolutions are linear layers; their means and sigmoids stay in float.
    Rule(("backbone.*.se",), Mode.DYNAMIC, (Kind.CONVOLUTION,)),
    Rule(("backbone.*.se",), Mode.FLOAT, (Kind.ARITHMETIC,)),
    Rule(("backbone",), Mode.STATIC, (Kind.CONVOLUTION, Kind.DEPTHWISE, Kind.ARITHMETIC)),
    # Scores, boxes and region features never share a scale.
    Rule(("*",), Mode.DYNAMIC, (Kind.LINEAR,)),
    Rule(("*",), Mode.WEIGHT_ONLY, (Kind.EMBEDDING,)),
)

RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType({"fp32": (), "fp16": (), "int8": INT8})
"""By precision."""
