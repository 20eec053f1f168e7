"""Which operators of a traced model become int8 in ExecuTorch: XNNPACK's quantizer, and what it leaves out.

Imported by what quantizes only: importing ExecuTorch takes seconds and prints.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import QuantizationConfig
from torch import Tensor
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.observer import (
    MinMaxObserver,
    PerChannelMinMaxObserver,
    PlaceholderObserver,
)
from torchao.quantization.pt2e.quantizer import (
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from export.core.ranges import SWISH_END, Spread

aten = torch.ops.aten
CLAMPS = (aten.hardtanh.default, aten.hardtanh_.default)

# The quantizer's own specifications let no scale fall below 2**-12. A folded BatchNorm scales whole channels down.
EPSILON = 2.0**-30

# A bias is stored in steps of input times weight, 2**31 of them at most: of a channel with no weights to speak of, as
# ImageNet's networks have some, a bias of 10 fits in these where inputs have steps of 0.01.
WEIGHT_EPSILON = 2.0**-21

WEIGHTS = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_channel_symmetric,
    ch_axis=0,
    observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=WEIGHT_EPSILON),
)
ONE_SCALE_WEIGHTS = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_tensor_symmetric,
    observer_or_fake_quant_ctr=MinMaxObserver.with_args(eps=EPSILON),
)


class SpreadObserver(MinMaxObserver):
    """Measures the range of least square error, see `export.core.ranges`."""

    def __init__(self, end: float = -math.inf, **settings: Any) -> None:
        super().__init__(**settings)
        self._spread = Spread(end)

    def forward(self, x_orig: Tensor) -> Tensor:
        """See `MinMaxObserver`."""
        self._spread.add(x_orig)
        return super().forward(x_orig)

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """See `MinMaxObserver`."""
        low, high = self._spread.best(self.quant_max - self.quant_min)
        return self._calculate_qparams(torch.tensor(low), torch.tensor(high))


MEASURED = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=SpreadObserver.with_args(eps=EPSILON),
)
INTO_SWISH = replace(MEASURED, observer_or_fake_quant_ctr=SpreadObserver.with_args(eps=EPSILON, end=SWISH_END))
"""Of what nothing reads but swish."""
PER_ROW = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    is_dynamic=True,
    observer_or_fake_quant_ctr=PlaceholderObserver.with_args(eps=EPSILON),
)
SIGMOID = FixedQParamsQuantizationSpec(
    dtype=torch.int8, quant_min=-128, quant_max=127, qscheme=torch.per_tensor_affine, scale=1 / 256, zero_point=-128
)
"""What XNNPACK's table of 256 sigmoids puts out."""


class PartQuantizer(XNNPACKQuantizer):
    """XNNPACK's quantizer for some nodes of a graph that also computes with integers."""

    def transform_for_annotation(self, model: GraphModule) -> GraphModule:
        """Leave the graph as it is: the original turns every number that is added into a float, indices included."""
        return model


class DynamicQuantizer(PartQuantizer):
    """Linear layers and gates: int8 weights, each row that comes in by its own range, float results."""

    def __init__(self, chosen: Callable[[Node], bool]) -> None:
        super().__init__()
        for operator in (aten.linear.default, aten.conv2d.default):
            self.set_operator_type(operator, QuantizationConfig(PER_ROW, None, WEIGHTS, None))
        self.set_filter_function(lambda node: node.op == "get_attr" or chosen(node))


class StaticQuantizer(PartQuantizer):
    """Convolutions, sums, products, pooling and sigmoids: int8 from end to end, in measured ranges.

    XNNPACK's quantizer leaves sigmoids, means and transposed convolutions in groups out. Each SiLU then goes to float
    and back, which takes longer than the convolution before it.
    """

    def __init__(self, chosen: Callable[[Node], bool]) -> None:
        super().__init__()
        for operator in (aten.conv2d.default, aten.add.Tensor, aten.mul.Tensor):
            self.set_operator_type(operator, QuantizationConfig(MEASURED, MEASURED, WEIGHTS, None))
        self.set_filter_function(lambda node: node.op == "get_attr" or chosen(node))
        self._chosen = chosen

    def annotate(self, model: GraphModule) -> GraphModule:
        """See `Quantizer`."""
        for node in model.graph.nodes:
            if node.op == "call_function" and self._chosen(node):
                annotate_rest(node)
                before = node.all_input_nodes[0]
                if node.target in CLAMPS and before.target == aten.conv2d.default and self._chosen(before):
                    annotate_clamped(before, node)
        annotated = super().annotate(model)
        for node in annotated.graph.nodes:
            if feeds_swish(node):
                measure_for_swish(node)
            if node.target == aten.sigmoid.default:
                keep_scale(node)
        return annotated


def feeds_swish(node: Node) -> bool:
    """Tell whether nothing reads what a node gives but swish: a sigmoid, and the product of both."""
    gates = [reader for reader in node.users if reader.target == aten.sigmoid.default]
    products = [reader for reader in node.users if reader.target == aten.mul.Tensor and set(gates) & set(reader.args)]
    return bool(gates) and len(gates) + len(products) == len(node.users)


def measure_for_swish(node: Node) -> None:
    """Change the specifications of what a node gives, where it has any."""
    own = node.meta.get(Q_ANNOTATION_KEY)
    if own is not None and own.output_qspec is MEASURED:
        own.output_qspec = INTO_SWISH
    for reader in node.users:
        read = reader.meta.get(Q_ANNOTATION_KEY)
        if read is not None and read.input_qspec_map.get(node) is MEASURED:
            read.input_qspec_map[node] = INTO_SWISH


def keep_scale(gate: Node) -> None:
    """Let products read what a sigmoid puts out as it is; in a range of their own it went to float and back."""
    own = gate.meta.get(Q_ANNOTATION_KEY)
    for reader in gate.users:
        read = reader.meta.get(Q_ANNOTATION_KEY)
        if own is not None and own.output_qspec is SIGMOID and read is not None and gate in read.input_qspec_map:
            read.input_qspec_map[gate] = SIGMOID


def annotate_rest(node: Node) -> None:
    """Annotate an operator that XNNPACK computes in int8 and XNNPACK's quantizer does not know."""
    feature, weight = node.all_input_nodes[0], node.all_input_nodes[-1]
    if node.target == aten.sigmoid.default:
        annotate(node, {feature: MEASURED}, SIGMOID)
    elif node.target == aten.mean.dim:
        annotate(node, {feature: MEASURED}, MEASURED)
    elif node.target == aten.max_pool2d.default:  # XNNPACK's has one scale
        annotate(node, {feature: MEASURED}, SharedQuantizationSpec((feature, node)))
    elif node.target == aten.conv_transpose2d.input:  # a doubling: nothing but copies, so that no range changes
        annotate(node, {feature: MEASURED, weight: ONE_SCALE_WEIGHTS}, SharedQuantizationSpec((feature, node)))


def annotate_clamped(convolution: Node, clamp: Node) -> None:
    """Annotate a convolution and the ReLU6 behind it, which XNNPACK computes as one.

    Only what passes has a scale. The quantizer would give both the convolution's, of whose steps most are for what is
    cut off.
    """
    if len(convolution.users) == 1:
        feature, weight = convolution.all_input_nodes[:2]
        annotate(convolution, {feature: MEASURED, weight: WEIGHTS}, None)
        annotate(clamp, {}, MEASURED)


def annotate(node: Node, inputs: dict[Node, QuantizationSpec], output: object) -> None:
    """Put specifications on a node's inputs and output."""
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(input_qspec_map=inputs, output_qspec=output, _annotated=True)
