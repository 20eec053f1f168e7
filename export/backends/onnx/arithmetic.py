"""Whole numbers of an ONNX file: its stored weights, and what ONNX Runtime computes with them beside plain sums.

Every operator is held against its definition: QuantizeLinear, DynamicQuantizeLinear and MatMulInteger are ONNX's own,
MatMulNBits is ONNX Runtime's. What goes into a layer and what comes out is read in one run of the file's graph.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx
import torch
from torch import Tensor
from torch.nn import functional as F

from export.backends.onnx.convert import layer_of
from export.backends.onnx.quantize import kind_of
from export.backends.onnx.rounding import second_moments
from export.backends.onnx.tables import Found, table_of
from export.backends.onnx.values import Graph, watch
from export.core.integers import IntegerLayer, LayerRun, StoredWeight, may_fall, product, requantized, shared_scale
from export.core.methods import Method
from export.core.precision import Kind


def integer_layers(
    model: onnx.ModelProto, method: Method, samples: Sequence[Mapping[str, Any]]
) -> Iterator[IntegerLayer]:
    """Yield every operator of a graph that has weights, with what it computes where that is by whole numbers.

    Args:
        model: As read from its file, weights and all.
        method: Whose example it runs.
        samples: Inputs that it was calibrated on, by name.
    """
    graph = Graph(model)
    found = [one for node in model.graph.node if (one := _recognised(graph, node)) is not None]
    pointwise = {one.source for one in found if isinstance(one, Stored) and one.pointwise(graph)}
    moments = second_moments(model, sorted(pointwise), samples)
    watched = {name for one in found for name in (one.source, one.result) if name}
    values = watch(model, sorted(watched - graph.constants.keys()), method)
    for one in found:
        weight, run = one.read(graph, values)
        if isinstance(one, Stored) and one.source in moments and one.pointwise(graph):
            weight = replace(weight, moments=torch.from_numpy(moments[one.source]))
        yield IntegerLayer(layer=layer_of(one.node), kind=one.kind, weight=weight, run=run)


def _recognised(graph: Graph, node: onnx.NodeProto) -> Found | None:
    match node.op_type:
        case "MatMulInteger":
            return Dynamic.of(graph, node)
        case "MatMulNBits":
            return Grouped(node, Kind.LINEAR, node.input[0], node.output[0])
        case "Gather" | "GatherBlockQuantized":
            return table_of(graph, node)
        case "Conv" | "Gemm" | "MatMul":
            return _of_a_product(graph, node)
    return None


def _of_a_product(graph: Graph, node: onnx.NodeProto) -> Found | None:
    kind = kind_of(node)
    if node.input[1] in graph.constants:
        return Found(node, kind)
    if graph.maker(node.input[1], "DequantizeLinear") is not None:
        rounded, narrowed = (
            graph.maker(node.input[0], "DequantizeLinear"),
            graph.reader(node.output[0], "QuantizeLinear"),
        )
        assert rounded is not None  # the quantizer writes both sides or none
        assert narrowed is not None
        widened = graph.reader(narrowed.output[0], "DequantizeLinear")
        assert widened is not None
        return Static(node, kind, rounded.input[0], widened.output[0])
    scaled = graph.maker(node.input[1], "Mul")
    if scaled is not None and scaled.input[1] in graph.constants:
        return Stored.of(graph, node, scaled)
    return None


@dataclass(frozen=True)
class Stored(Found):
    """A convolution or product in float whose weights are whole numbers in the file.

    Attributes:
        whole: Name of the weights.
        scales: Name of their scales.
    """

    whole: str = ""
    scales: str = ""

    @classmethod
    def of(cls, graph: Graph, node: onnx.NodeProto, scaled: onnx.NodeProto) -> "Stored":
        """Follow the product of weights and scales that a layer reads to the file's whole numbers."""
        widened = graph.maker(scaled.input[0], "Cast")
        assert widened is not None  # the quantizer writes both
        return cls(node, kind_of(node), node.input[0], node.output[0], widened.input[0], scaled.input[1])

    def pointwise(self, graph: Graph) -> bool:
        """Tell whether it is a convolution of single cells: the recipe rounds its weights for their inputs."""
        return graph.constants[self.whole].shape[2:] == (1, 1)

    def read(self, graph: Graph, values: Mapping[str, Tensor]) -> tuple[StoredWeight, LayerRun]:
        """See `Found`."""
        scale, given, source = graph.tensor(self.scales), values[self.result], values[self.source]
        weight = StoredWeight(
            values=graph.tensor(self.whole),
            scale=scale.reshape(-1, 1),
            zero=torch.zeros(scale.numel(), 1),
            bits=8,
            bias=graph.tensor(self.node.input[2]) if len(self.node.input) > 2 else None,
        )
        expected = computed(self.node, source, weight.floats, weight.bias)
        step = source.abs().max() * scale.flatten()
        return weight, LayerRun(given=given, expected=expected, step=step.reshape(-1, *[1] * (given.dim() - 2)))


def computed(node: onnx.NodeProto, source: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return what a Conv or a Gemm computes in float64."""
    wide = None if bias is None else bias.double()
    if node.op_type == "Gemm":
        return F.linear(source.double(), weight.double(), wide)
    facts: dict[str, Any] = {item.name: list(item.ints) or item.i for item in node.attribute}
    top, left, bottom, right = facts.get("pads", [0, 0, 0, 0])
    padded = F.pad(source.double(), (left, right, top, bottom))
    return F.conv2d(
        padded, weight.double(), wide, facts.get("strides", 1), 0, facts.get("dilations", 1), facts.get("group", 1)
    )


class Static(Found):
    """A product or a convolution of whole numbers whose inputs and outputs have scales in the file.

    What was rounded by one scale and is read by another is wrong. So the scales of QuantizeLinear hold on both sides,
    and what the runtime reads by those of DequantizeLinear is held against that.
    """

    def read(self, graph: Graph, values: Mapping[str, Tensor]) -> tuple[StoredWeight, LayerRun]:
        """See `Found`."""
        stored, added = (graph.maker(name, "DequantizeLinear") for name in self.node.input[1:3])
        rounded, out = graph.maker(self.source, "QuantizeLinear"), graph.reader(self.node.output[0], "QuantizeLinear")
        assert stored is not None
        assert added is not None
        assert rounded is not None
        assert out is not None
        scale, zero = (graph.tensor(name) for name in stored.input[1:3])
        whole_bias, bias_step = (graph.tensor(name) for name in added.input[:2])
        bias = whole_bias * bias_step.double()
        weight = StoredWeight(
            values=graph.tensor(stored.input[0]),
            scale=scale.reshape(-1, 1),
            zero=zero.reshape(-1, 1).float(),
            bits=8,
            bias=bias,
            bias_step=bias_step,
        )
        read_scale, read_zero, write_scale, write_zero = (
            graph.tensor(name) for node in (rounded, out) for name in node.input[1:3]
        )
        rows = values[self.source].double() - read_zero
        sums = computed(self.node, rows, weight.by_group.reshape(weight.values.shape), None)
        steps, added_up = (row.reshape(-1, *[1] * (sums.dim() - 2)) for row in (read_scale.double() * scale, bias))
        whole = requantized(sums * steps + added_up, float(write_scale), int(write_zero), 0, 255)
        expected = (whole - write_zero) * write_scale.double()
        return weight, LayerRun(given=values[self.result], expected=expected, step=write_scale)


@dataclass(frozen=True)
class Dynamic(Found):
    """A product of whole numbers whose input gets its scale as it comes.

    Attributes:
        bias: Name of what is added at once, "" where nothing is.
        scales: Name of the weights' scales.
    """

    bias: str = ""
    scales: str = ""

    @classmethod
    def of(cls, graph: Graph, node: onnx.NodeProto) -> "Dynamic":
        """Follow a MatMulInteger to where its input is rounded and to where its sums are floats with their bias."""
        rounded = graph.maker(node.input[0], "DynamicQuantizeLinear")
        cast = graph.reader(node.output[0], "Cast")
        assert rounded is not None  # the quantizer writes all of them
        assert cast is not None
        scaled = graph.reader(cast.output[0], "Mul")
        assert scaled is not None
        scales = next(graph.maker(name, "Mul") for name in scaled.input if name != cast.output[0])
        assert scales is not None
        added = graph.reader(scaled.output[0], "Add")
        bias = graph.other(added, scaled.output[0]) if added is not None else ""
        last = added if added is not None and bias else scaled
        return cls(node, Kind.LINEAR, rounded.input[0], last.output[0], bias, graph.other(scales, ""))

    def read(self, graph: Graph, values: Mapping[str, Tensor]) -> tuple[StoredWeight, LayerRun]:
        """See `Found`."""
        scale, zero = graph.tensor(self.scales), graph.tensor(self.node.input[3])
        weight = StoredWeight(
            values=graph.tensor(self.node.input[1]).T,
            scale=scale.reshape(-1, 1),
            zero=zero.reshape(-1, 1).float().expand(scale.numel(), 1),
            bits=8,
            bias=graph.tensor(self.bias) if self.bias else None,
        )
        whole = weight.by_group.flatten(1)
        source = values[self.source]
        rows, step = rounded_input(source)
        sums = product(rows, whole) * (step.double() * scale)
        expected = sums if weight.bias is None else sums + weight.bias
        largest = whole.abs().amax(dim=1).clamp(min=1.0)
        one_falls = step * scale * largest
        return weight, LayerRun(given=values[self.result], expected=expected, step=may_fall(source, step) * one_falls)


def rounded_input(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return what DynamicQuantizeLinear makes of float32 numbers, less its zero, and the scale."""
    low, high = values.min().clamp(max=0.0), values.max().clamp(min=0.0)
    scale = (high - low) / 255.0
    scale = torch.where(scale > 0.0, scale, 1.0)
    zero = torch.round((-low / scale).clamp(0.0, 255.0))
    return (torch.round(values / scale) + zero).clamp(0.0, 255.0) - zero, scale


class Grouped(Found):
    """A product with 4-bit weights, each group of which has a scale; inputs are rounded by the same groups."""

    def read(self, graph: Graph, values: Mapping[str, Tensor]) -> tuple[StoredWeight, LayerRun]:
        """See `Found`."""
        facts = {item.name: item.i for item in self.node.attribute}
        packed, scale = (graph.tensor(name) for name in self.node.input[1:3])
        whole = torch.stack([packed & 15, packed >> 4], dim=-1).reshape(facts["N"], -1)  # the low half comes first
        scale = scale.reshape(facts["N"], -1)
        added = graph.reader(self.node.output[0], "Add")
        bias = graph.other(added, self.node.output[0]) if added is not None else ""
        weight = StoredWeight(
            values=whole.to(torch.int32),
            scale=scale,
            zero=torch.full_like(scale, 8.0),  # where no zeros are stored
            bits=4,
            bias=graph.tensor(bias) if bias else None,
        )
        source = values[self.source]
        rows = source.reshape(*source.shape[:-1], scale.shape[1], -1)
        steps = shared_scale(rows, 127.0)
        parts = rows / torch.where(steps > 0.0, steps, 1.0)[..., None]
        read = torch.round(parts)
        sums = torch.einsum("...gn,ogn->...og", read.double(), weight.by_group.double())
        expected = (sums * steps[..., None, :].double() * scale).sum(dim=-1)
        largest = (weight.by_group.abs().amax(dim=-1) * scale.abs()).amax(dim=1)
        one_falls = steps.amax(dim=-1, keepdim=True) * largest
        unsure = may_fall(parts.flatten(-2), torch.ones(1))
        return weight, LayerRun(given=values[self.result], expected=expected, step=unsure * one_falls)
