"""Operators with weights as a graph has them: what all have in common, and tables, of which rows are looked up."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from torch import Tensor

from export.backends.onnx.convert import layer_of
from export.backends.onnx.quantize import PARAMETER, place_of_weight
from export.backends.onnx.values import Graph
from export.core.integers import LayerRun, StoredWeight
from export.core.precision import Kind


@dataclass(frozen=True)
class Found:
    """An operator with weights, its values not looked up yet.

    Attributes:
        node: The operator.
        kind: What it does.
        source: Name of the value that goes in; "" where nothing is run.
        result: Name of the value that comes out.
    """

    node: onnx.NodeProto
    kind: Kind
    source: str = ""
    result: str = ""

    def read(self, graph: Graph, values: Mapping[str, Tensor]) -> tuple[StoredWeight, LayerRun | None]:
        """Return the stored weights and the run; a layer in float has none."""
        return float_weight(graph, self.node), None


def float_weight(graph: Graph, node: onnx.NodeProto) -> StoredWeight:
    """Return a float layer's weights, rows first."""
    values = graph.tensor(node.input[place_of_weight(node)])
    if node.op_type == "MatMul":
        values = values.T
    bias = graph.tensor(node.input[2]) if len(node.input) > 2 and node.op_type != "Gather" else None
    ones = torch.ones(1, 1)
    return StoredWeight(values=values, scale=ones, zero=0.0 * ones, bits=32, bias=bias)


def table_of(graph: Graph, node: onnx.NodeProto) -> Found | None:
    """Return what a Gather or a GatherBlockQuantized looks up, where it is a layer's weights."""
    if node.op_type == "GatherBlockQuantized":
        return GroupedTable(node, Kind.EMBEDDING, node.input[1], node.output[0])
    table = graph.constants.get(node.input[0])
    if table is None:
        scaled = graph.maker(node.input[0], "Mul")
        stored = scaled is not None and scaled.input[1] in graph.constants
        return WidenedTable(node, Kind.EMBEDDING, node.input[1], node.output[0]) if stored else None
    widened = graph.reader(node.output[0], "DequantizeLinear")
    if widened is not None:
        return Table(node, Kind.EMBEDDING, node.input[1], widened.output[0])
    floats = table.ndim == 2 and table.dtype == np.float32 and layer_of(node)
    return Found(node, Kind.EMBEDDING) if floats and node.input[0].endswith(PARAMETER) else None


class Table(Found):
    """Rows of whole numbers, looked up and turned into floats."""

    def read(self, graph: Graph, values: Mapping[str, Tensor]) -> tuple[StoredWeight, LayerRun]:
        """See `Found`."""
        widened = graph.reader(self.node.output[0], "DequantizeLinear")
        assert widened is not None
        scale, zero = (graph.tensor(name) for name in widened.input[1:3])
        weight = StoredWeight(
            values=graph.tensor(self.node.input[0]),
            scale=scale.reshape(-1, 1),
            zero=zero.reshape(-1, 1).float(),
            bits=8,
        )
        return weight, self.looked_up(graph, values, weight)

    def looked_up(self, graph: Graph, values: Mapping[str, Tensor], weight: StoredWeight) -> LayerRun:
        """Return the rows that were looked up, beside the stored ones."""
        ids = values[self.source] if self.source in values else graph.tensor(self.source)
        expected = weight.floats_exactly[ids]
        return LayerRun(given=values[self.result], expected=expected, step=weight.scale.abs().amin())


class GroupedTable(Table):
    """The same in 4 bits, each group of a row with a scale."""

    def read(self, graph: Graph, values: Mapping[str, Tensor]) -> tuple[StoredWeight, LayerRun]:
        """See `Found`."""
        scale = graph.tensor(self.node.input[2]).float()
        weight = StoredWeight(
            values=graph.tensor(self.node.input[0]), scale=scale, zero=torch.zeros_like(scale), bits=4
        )
        return weight, self.looked_up(graph, values, weight)


class WidenedTable(Table):
    """Whole numbers that all become floats when the file is loaded, before any are looked up."""

    def read(self, graph: Graph, values: Mapping[str, Tensor]) -> tuple[StoredWeight, LayerRun]:
        """See `Found`."""
        scaled = graph.maker(self.node.input[0], "Mul")
        assert scaled is not None  # see `table_of`
        widened = graph.maker(scaled.input[0], "Cast")
        assert widened is not None  # the quantizer writes both
        scale = graph.tensor(scaled.input[1]).reshape(-1, 1)
        whole = graph.tensor(widened.input[0])
        weight = StoredWeight(values=whole, scale=scale, zero=torch.zeros_like(scale), bits=8)
        return weight, self.looked_up(graph, values, weight)
