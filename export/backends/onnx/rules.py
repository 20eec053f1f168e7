"""Which layers of a model become int8 or int4 in ONNX Runtime, and how."""

from collections.abc import Mapping
from types import MappingProxyType

from export.core.precision import CLAMPED, Kind, Mode, Rule, four_bits

INT8 = (
    # Where nothing leaves integers between two layers they win: tee-lite-sample took 0.76 of the time on one thread.
    # The first layer, with its three channels, is slower in integers.
    Rule(("conv_stem",), Mode.FLOAT, backbones=CLAMPED),
    Rule(("body",), Mode.STATIC, (Kind.CONVOLUTION, Kind.DEPTHWISE, Kind.ARITHMETIC), backbones=CLAMPED),
    # 1.1 of 3.5 GMAC, three times faster so. Integer convolutions beside swish were tried and win nothing. All of them
    # take 15 ms where the float ones take 30, and the 15 ms go into quantizing maps, dequantizing them for swish, and
    # turning them from one memory layout into another; but tensors of a third of the layers then pass through 256
    # levels, and the regions that both sides find fell from 36 % to 24 %.
    Rule(("box_head.fc1", "box_head.fc2", "box_head.classifier"), Mode.STATIC, (Kind.LINEAR,)),
    # ONNX Runtime dequantizes these when it loads the file: a quarter of the bytes at float's speed. With the box head
    # they hold 95 % of the weights.
    Rule(
        ("blocks.[34].*.conv_pw*", "blocks.[34].*.se", "blocks.[56]"),
        Mode.WEIGHT_ONLY,
        (Kind.CONVOLUTION, Kind.DEPTHWISE),
    ),
    # Rows of 50 regions take no time in float either.
    Rule(("attribute_head",), Mode.WEIGHT_ONLY, (Kind.LINEAR, Kind.EMBEDDING)),
    # Few bytes, and early rounding passes through the whole network.
    Rule(("backbone", "rpn", "box_head"), Mode.FLOAT),
    Rule(("*",), Mode.DYNAMIC, (Kind.LINEAR, Kind.EMBEDDING)),
)

RULES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {"fp32": (), "fp16": (), "int8": INT8, "int4": four_bits(Mode.DYNAMIC, INT8)}
)
"""By precision."""
