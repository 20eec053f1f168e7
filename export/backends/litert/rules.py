"""Which layers of a model are stored and computed in 4, 8 or 16 bits in LiteRT."""

from collections.abc import Mapping
from types import MappingProxyType

from export.core.precision import MATRICES, WEIGHTED, Mode, Rule, four_bits

INT8 = (
    # These decide where boxes are, and cost nothing.
    Rule(("rpn", "box_head.deltas", "conv_stem"), Mode.FLOAT),
    # What rounding them costs is more than what it gains, see docs/performance.md.
    Rule(("body.bn1", "blocks.0"), Mode.FLOAT),
    # Means and gates of squeeze-and-excitation: their static ranges cost 0.6 dB of the levels and saved no time.
    Rule(("blocks.*.*.se",), Mode.DYNAMIC, MATRICES),
    Rule(("body", "bifpn"), Mode.STATIC),
    # Rows each get a scale of their own, so that features and scores share none.
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
