"""Whole numbers of a .pte file: its stored weights, and what XNNPACK computes with them beside plain sums.

What goes into an operator and what comes out is read in one run of the method, see `watching`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from export.backends.executorch.names import Names
from export.backends.executorch.tables import tables_of
from export.backends.executorch.unweighted import MEAN, SIMULATED
from export.backends.executorch.watching import Inner, Place, graphs_of, watch
from export.backends.executorch.xnnpack_graph import ROUNDED, WEIGHT_BITS, XnnGraph, float_of
from export.core.integers import (
    AT_A_HALF,
    IntegerLayer,
    LayerRun,
    StoredWeight,
    convolved,
    may_fall,
    product,
    requantized,
    rounded_rows,
)
from export.core.methods import Method
from export.core.precision import Kind
from minivlm.errors import UserError

PRODUCTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"XNNFullyConnected": (0, 1), "XNNConv2d": (0, 3, 1, 2), "XNNDepthwiseConv2d": (3, 0, 1, 2)}
)
"""By operator with weights, the axes of its weights in PyTorch's order."""


def integer_layers(file: Any, method: Method, names: Names) -> Iterator[IntegerLayer]:
    """Yield every operator of a method that has weights or whole numbers, and what it computes with these.

    Args:
        file: `PTEFile` as `deserialize_pte_binary` gives it.
        method: Whose example it runs.
        names: Of the method's modules.

    Raises:
        UserError: An operator computes with whole numbers that nothing here knows.
    """
    operators = list(operators_of(file, method.name, names))
    tables = tables_of(file, method.name, names, [one.lookup for one in operators if one.type == "XNNMultiply"])
    places = [place for one in operators for place in one.places] + [place for one in tables for place in one.places]
    seen = watch(file, method, places)
    yield from (table.layer(seen) for table in tables)
    for one in operators:
        if one.weighted or one.whole:
            weight = one.weight if one.weighted else None
            yield IntegerLayer(layer=one.module, kind=one.kind, weight=weight, run=one.run(weight, seen))


def operators_of(file: Any, method: str, names: Names) -> Iterator["Operator"]:
    """Yield the operators of a method's delegates in the order of execution."""
    for delegate, graph in graphs_of(file, method).items():
        modules: dict[int, str] = {}
        for node in graph.nodes:
            *given, made = graph.ends(node)
            before = next((modules[number] for number in given if modules.get(number)), "")
            modules[made] = names.of(node["debug_handle"]) or before  # a rounding has no module: it is the one's before
            yield Operator(delegate, graph, node, modules[made] or "input")


@dataclass(frozen=True)
class Operator:
    """One operator of a delegate.

    Attributes:
        delegate: Its number in the method.
        graph: Of the delegate.
        node: As the schema has it.
        module: Dotted name of what it is of.
    """

    delegate: int
    graph: XnnGraph
    node: Mapping[str, Any]
    module: str

    @property
    def type(self) -> str:
        """Such as XNNConv2d."""
        return str(self.node["xnode_union_type"])

    @property
    def held(self) -> Mapping[str, Any]:
        """What the schema says of this type."""
        held: Mapping[str, Any] = self.node["xnode_union"]
        return held

    @property
    def kind(self) -> Kind:
        """What it does."""
        if self.type not in PRODUCTS:
            return Kind.ARITHMETIC
        if self.type == "XNNFullyConnected":
            return Kind.LINEAR
        return Kind.DEPTHWISE if self.held["groups"] > 1 else Kind.CONVOLUTION

    @property
    def weighted(self) -> bool:
        """Whether it is a layer with weights, stored in whatever."""
        return self.type in PRODUCTS and self.graph.is_constant(self.held["filter_id"])

    @property
    def whole(self) -> bool:
        """Whether any of its numbers are whole ones that stand for real ones.

        What rounds rows as they come is part of the layer that reads them.
        """
        if self.graph.tensor(self.output)["datatype"] == ROUNDED:
            return False
        return any(map(self.graph.is_whole, self.graph.ends(self.node)))

    @property
    def output(self) -> int:
        """Number of the value that it writes."""
        return int(self.held["output_id"])

    @property
    def inputs(self) -> list[int]:
        """Numbers of the values that it reads but for weights and biases, rows before they are rounded."""
        *ends, _ = self.graph.ends(self.node)
        apart = (self.held.get("filter_id"), self.held.get("bias_id")) if self.type in PRODUCTS else ()
        return [self._unrounded(number) for number in ends if number not in apart]

    def _unrounded(self, number: int) -> int:
        if self.graph.tensor(number)["datatype"] != ROUNDED:
            return number
        return next(
            int(node["xnode_union"]["input_id"])
            for node in self.graph.nodes
            if node["xnode_union"]["output_id"] == number
        )

    @property
    def places(self) -> list[Place]:
        """What has to be seen of a run."""
        if not self.whole:
            return []
        given = [number for number in self.inputs if not self.graph.is_constant(number)]
        return [Inner(self.delegate, number) for number in (*given, self.output)]

    @property
    def lookup(self) -> tuple[str, Inner]:
        """Its module and its result, which of a table is what was looked up."""
        return self.module, Inner(self.delegate, self.output)

    @property
    def weight(self) -> StoredWeight:
        """The stored weights, laid out as PyTorch's."""
        number = self.held["filter_id"]
        scale, zero = self.graph.weight_scales(number)
        bias, step = self._bias(scale)
        return StoredWeight(
            values=self.graph.numbers(number).permute(PRODUCTS[self.type]),
            scale=scale,
            zero=zero,
            bits=WEIGHT_BITS.get(self.graph.tensor(number)["datatype"], 32),
            bias=bias,
            bias_step=step,
        )

    def _bias(self, scale: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the bias as floats, and its step where it is of whole numbers: that of the sums it is added to."""
        number = self.held["bias_id"]
        if number >= len(self.graph.held["xvalues"]):
            return None, None
        numbers = self.graph.numbers(number)
        if numbers.is_floating_point():
            return numbers, None
        step = scale.flatten().double() * self.graph.scale(self.held["input1_id"])[0]
        return numbers * step, step

    def real(self, number: int, seen: Mapping[Place, Tensor]) -> Tensor:
        """Return what a value stands for, in float64."""
        stored = self.graph.is_constant(number)
        value = (self.graph.numbers(number) if stored else seen[Inner(self.delegate, number)]).double()
        if not self.graph.is_whole(number):
            return value
        scale, zero = self.graph.scale(number)
        return (value - zero) * scale

    def run(self, weight: StoredWeight | None, seen: Mapping[Place, Tensor]) -> LayerRun | None:
        """Return what it gave in a run beside the same whole numbers in PyTorch; None where it has none."""
        if not self.whole:
            return None
        if weight is not None:
            expected, step = self._product(weight, seen)
        elif self.type in SIMULATED:
            expected = SIMULATED[self.type](self.graph, self.held, [self.real(number, seen) for number in self.inputs])
            whole = next(number for number in (*self.inputs, self.output) if self.graph.is_whole(number))
            step = torch.tensor(self.graph.scale(whole)[0])
        else:
            raise UserError(
                f"{self.type} computes with whole numbers and nothing simulates it: add it to"
                " export/backends/executorch/unweighted.py, or leave it in float by --keep-float"
            )
        limits = self.node.get("output_min_max")
        if limits is not None:
            expected = expected.clamp(float_of(limits["output_min"]), float_of(limits["output_max"]))
        if self.graph.is_whole(self.output):
            scale, zero = self.graph.scale(self.output)
            before = zero if self.type == MEAN else 0  # added before rounding: of halves, others are even
            expected = requantized(expected + before * scale, scale, zero - before, -128, 127)
            step = torch.ones(1)
        return LayerRun(given=seen[Inner(self.delegate, self.output)].double(), expected=expected, step=step)

    def _product(self, weight: StoredWeight, seen: Mapping[Place, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the real numbers that a layer gives, and what one step of one input changes of each at most."""
        rows, steps, unsure = self._rows(seen)
        if self.type == "XNNFullyConnected":
            sums = product(rows, weight.floats_exactly)
        else:
            sides, directions = ("left", "right", "top", "bottom"), ("height", "width")
            sums = convolved(
                rows,
                weight.floats_exactly,
                pads=[self.held[f"padding_{side}"] for side in sides],
                strides=[self.held[f"subsampling_{direction}"] for direction in directions],
                dilations=[self.held[f"dilation_{direction}"] for direction in directions],
                groups=self.held["groups"],
            )
        real = sums * steps
        return real if weight.bias is None else real + weight.bias.double(), unsure * steps * weight.largest

    def _rows(self, seen: Mapping[Place, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the whole numbers that a product reads, less their zeros, what one stands for, how many are unsure."""
        (number,) = self.inputs
        value = seen[Inner(self.delegate, number)]
        if self.graph.is_whole(number):
            scale, zero = self.graph.scale(number)
            return value.double() - zero, torch.tensor(scale).double(), torch.tensor(AT_A_HALF)
        together = self.graph.scales(self.held["input1_id"])["num_nonbatch_dims"]  # 3 of a map: one scale for all
        flat, behind = value.flatten(-together), [1] * together
        rows, steps = rounded_rows(flat)
        unsure = may_fall(flat, steps)
        return rows.double().reshape(value.shape), *(one.unflatten(-1, behind) for one in (steps.double(), unsure))
