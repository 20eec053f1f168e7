"""Which layers of a model are stored and computed in 4, 8 or 16 bits in LiteRT."""

from collections.abc import Mapping
from types import MappingProxyType

from export.core.precision import MATRICES, WEIGHTED, Mode, Rule, four_bits

INT8 = (
    # These decide where boxes are, and cost nothing.
    Rule(("rpn", "box_head.deltas", "conv_stem"), Mode.FLOAT),
    # Means and gates of squeeze-and-excitation: their static ranges cost 0.6 dB of the levels and saved no time.
    Rule(("blocks.*.*.se",), Mode.DYNAMIC, MATRICES),
    # Where maps are small and matrices large: int8 pays most there and harms least. Every block that is quantized
    # leaves 21 to 30 dB of the levels, the earlier the fewer; all in int8 leaves 14 dB and half of the proposals.
    Rule(("blocks.[456]",), Mode.STATIC),
    # The rest is stored in int8: the box head's rows each get a scale of their own, so that features, boxes and scores
    # share none. The BiFPN is 1 % of the bytes and alone takes the levels to 26 dB and the regions that both sides find
    # from all to 0.6: it stays in float.
    Rule(("blocks.3", "box_head"), Mode.DYNAMIC, MATRICES),
    Rule(("backbone", "box_head"), Mode.FLOAT),
    Rule(("*",), Mode.DYNAMIC, MATRICES),
)

RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "fp32": (),
        "fp16": (Rule(("*",), Mode.WEIGHT_ONLY, WEIGHTED, bits=16),),
        "int8": INT8,
        "int4": four_bits(Mode.DYNAMIC, INT8),
    }
)
"""By precision."""
