"""Whole numbers of a .tflite file: its stored weights, and what the interpreter computes with them beside plain sums.

What goes into an operator is read in one run of the whole signature. The operator then runs alone, cut out of the file,
by the interpreter's delegate, XNNPACK: an interpreter that keeps every tensor for reading leaves the delegate out.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.backends.litert.graph import (
    INT4,
    INT8,
    INT32,
    constant,
    group_scales,
    kind,
    module_of,
    numbers,
    part,
    signature_graph,
    tensor_name,
)
from export.backends.litert.layers import watched
from export.backends.litert.quantize import KINDS
from export.core.integers import (
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
from minivlm.language.attention import SelfAttention
from minivlm.quiet import quiet

PRODUCTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
CLAMPS: Mapping[int, tuple[float, float]] = MappingProxyType(
    {0: (-float("inf"), float("inf")), 1: (0.0, float("inf")), 3: (0.0, 6.0)}
)
"""By number of the schema's ActivationFunctionType: none, ReLU, ReLU6."""
SAME = 0
"""Of the schema's paddings, the one that adds cells."""
METHOD = "operator"


def integer_layers(model: Any, method: Method) -> Iterator[IntegerLayer]:
    """Yield every operator of a signature that has weights or whole numbers, and what it computes with these.

    Args:
        model: As read from its file.
        method: Whose example it runs.

    Raises:
        UserError: An operator computes with whole numbers that nothing here knows.
    """
    _, graph = signature_graph(model, method.name)
    tensors, modules = dict(watched(model, method)), dict(method.module.named_modules())
    for operator in graph.operators:
        one = Operator(model, graph, operator, tensors)
        if not one.weighted and not one.whole:
            continue
        module = module_of(tensor_name(graph, int(operator.outputs[0])))
        weight = replace(one.weight, **folded(method, modules, module)) if one.weighted else None
        run = one.run(weight) if one.whole else None
        yield IntegerLayer(layer=module, kind=KINDS.get(one.kind, Kind.ARITHMETIC), weight=weight, run=run)


def folded(method: Method, modules: Mapping[str, nn.Module], layer: str) -> dict[str, Any]:
    """Return what the converter puts into a layer's weights, as fields of `StoredWeight`.

    That is what the layer's result is multiplied with, as attention's queries are, and what its inputs are multiplied
    with and added to: gains and shifts of the LayerNorm before a layer's projections and before its first matrix.
    """
    norm, attention = modules.get(norm_before(method, layer)), modules.get(layer.removesuffix(".query"))
    return {
        "factor": 1.0 / math.sqrt(attention.head_dim) if isinstance(attention, SelfAttention) else 1.0,
        "affine": (norm.weight.detach(), norm.bias.detach()) if isinstance(norm, nn.LayerNorm) else None,
    }


def norm_before(method: Method, layer: str) -> str:
    """Return the dotted name of the LayerNorm whose rows go into a layer of the encoder; "" where others do, too."""
    found = re.fullmatch(r"(.*?)encoder\.layers\.(\d+)\.(intermediate|attention\.(?:query|key|value))", layer)
    if found is None:
        return ""
    around, number, part = found[1], int(found[2]), found[3]
    if part == "intermediate":
        return f"{around}encoder.layers.{number}.attention_norm"
    if number:
        return f"{around}encoder.layers.{number - 1}.output_norm"
    return "" if "regions" in method.inputs else f"{around}embeddings.norm"


@dataclass(frozen=True)
class Operator:
    """One operator of a graph.

    Attributes:
        model: That it is in.
        graph: Likewise.
        held: As the schema has it.
        tensors: By number, what a run of the graph left in them.
    """

    model: Any
    graph: Any
    held: Any
    tensors: Mapping[int, Any]

    @property
    def kind(self) -> str:
        """Such as CONV_2D."""
        return kind(self.model, self.held)

    @property
    def weighted(self) -> bool:
        """Whether it is a layer with weights, stored in whatever."""
        table = self.kind == "EMBEDDING_LOOKUP"
        return (self.kind in PRODUCTS or table) and constant(self.model, self.graph, int(self.held.inputs[1]))

    @property
    def whole(self) -> bool:
        """Whether any of its numbers are whole ones that stand for real ones."""
        ends = [*self.held.inputs, *self.held.outputs]
        return any(self.graph.tensors[int(index)].type in (INT8, INT4) for index in ends if index >= 0)

    def tensor(self, index: int) -> Any:
        """Return a tensor's description."""
        return self.graph.tensors[int(index)]

    def scale(self, index: int) -> tuple[float, int]:
        """Return an activation's scale and zero."""
        held = self.tensor(index).quantization
        return float(np.float32(held.scale[0])), int(held.zeroPoint[0])

    def value(self, index: int) -> Tensor:
        """Return what the run left in a tensor, or what the file holds of one that is part of the model."""
        if constant(self.model, self.graph, int(index)):
            return self.stored(index)[0]
        return torch.from_numpy(np.array(self.tensors[int(index)]))

    def real(self, index: int) -> Tensor:
        """Return what that stands for, in float64."""
        value = self.value(index).double()
        if self.tensor(index).type != INT8:
            return value
        scale, zero = self.scale(index)
        return (value - zero) * scale

    def stored(self, index: int) -> tuple[Tensor, Tensor]:
        """Return a constant weight's numbers in its own shape, and its scales, (1, 1), (O, 1) or (O, G)."""
        tensor = self.tensor(index)
        shape = [int(size) for size in tensor.shape]
        if tensor.type == INT4:  # two in a byte, the low half first
            pairs = self.numbers(index, np.uint8)
            halves = np.stack([pairs & 15, pairs >> 4], axis=-1).reshape(-1)[: int(np.prod(shape))]
            found: Any = (halves ^ 8).astype(np.int8) - 8
        else:
            found = self.numbers(index, np.int8 if tensor.type == INT8 else np.float32)
        return torch.from_numpy(np.array(found.reshape(shape))), self._scales(tensor, shape[0] if shape else 1)

    def numbers(self, index: int, dtype: Any) -> Any:
        """Return what the file holds of a constant tensor, in one row."""
        return numbers(self.model, self.graph, int(index), dtype)

    def _scales(self, tensor: Any, rows: int) -> Tensor:
        held = tensor.quantization
        if tensor.type not in (INT8, INT4):
            return torch.ones(1, 1)
        if group_scales(tensor) >= 0:
            return torch.from_numpy(self.numbers(group_scales(tensor), np.float16).astype(np.float32).reshape(rows, -1))
        return torch.from_numpy(np.asarray(held.scale, dtype=np.float32).reshape(-1, 1).copy())

    @property
    def weight(self) -> StoredWeight:
        """The stored weights, laid out as PyTorch's."""
        numbers, scale = self.stored(self.held.inputs[1])
        tensor = self.tensor(self.held.inputs[1])
        if self.kind == "CONV_2D":
            numbers = numbers.permute(0, 3, 1, 2)
        elif self.kind == "DEPTHWISE_CONV_2D":
            numbers = numbers.permute(3, 0, 1, 2)
        zeros = tensor.quantization.zeroPoint if tensor.quantization is not None else None
        zero = torch.zeros_like(scale)
        if zeros is not None and len(zeros) == scale.numel():
            zero = torch.from_numpy(np.asarray(zeros, dtype=np.float32).reshape(scale.shape).copy())
        bias, step = self._bias(scale)
        return StoredWeight(
            values=numbers,
            scale=scale,
            zero=zero,
            bits={INT8: 8, INT4: 4}.get(tensor.type, 32),
            bias=bias,
            bias_step=step,
        )

    def _bias(self, scale: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the bias as floats, and its step where it is of whole numbers: that of the sums it is added to."""
        index = int(self.held.inputs[2]) if self.kind in PRODUCTS and len(self.held.inputs) > 2 else -1
        if index < 0:
            return None, None
        if self.tensor(index).type != INT32:
            return torch.from_numpy(self.numbers(index, np.float32).copy()), None
        step = scale.flatten().double() * self.scale(self.held.inputs[0])[0]
        return torch.from_numpy(self.numbers(index, np.int32).copy()) * step, step

    def run(self, weight: StoredWeight | None) -> LayerRun:
        """Run the operator alone, and simulate it."""
        if weight is not None:
            expected, step = self._product(weight) if self.kind in PRODUCTS else self._rows(weight)
        elif self.kind in SIMULATED:
            expected, step = SIMULATED[self.kind](self), torch.ones(1)
        else:
            raise UserError(
                f"{self.kind} computes with whole numbers and nothing simulates it: add it to"
                " export/backends/litert/arithmetic.py, or leave it in float by --keep-float"
            )
        out = int(self.held.outputs[0])
        expected = expected.clamp(*CLAMPS[int(getattr(self.held.builtinOptions, "fusedActivationFunction", 0))])
        if self.tensor(out).type == INT8:
            expected, step = requantized(expected, *self.scale(out), -128, 127), torch.ones(1)
        return LayerRun(given=self._alone().reshape(expected.shape), expected=expected, step=step)

    def _rows(self, weight: StoredWeight) -> tuple[Tensor, Tensor]:
        return weight.floats[self.value(self.held.inputs[0]).long()].double(), weight.scale.amin()

    def _product(self, weight: StoredWeight) -> tuple[Tensor, Tensor]:
        """Return the real numbers that a layer gives, and what one step of one input changes of each at most."""
        largest = weight.largest
        source = self.value(self.held.inputs[0])
        if self.tensor(self.held.inputs[0]).type == INT8:
            scale, zero = self.scale(self.held.inputs[0])
            rows, steps = source.double() - zero, torch.tensor(scale).double()
        else:
            # Where a layer sees several cells at once, they share a range: that of the whole map.
            lines = source if weight.values[0, 0].numel() == 1 else source.reshape(len(source), 1, 1, -1)
            rows, steps = (numbers.double() for numbers in rounded_rows(lines))
            largest = may_fall(lines, steps) * largest
        sums = self._sums(rows.reshape(source.shape), weight) * steps
        return sums if weight.bias is None else sums + weight.bias.double(), steps * largest

    def _sums(self, rows: Tensor, weight: StoredWeight) -> Tensor:
        if self.kind == "FULLY_CONNECTED":
            return product(rows, weight.floats_exactly)
        options = self.held.builtinOptions
        kernel = weight.values.shape[2:]
        strides, dilations = (
            (int(getattr(options, f"{name}H{end}")), int(getattr(options, f"{name}W{end}")))
            for name, end in (("stride", ""), ("dilation", "Factor"))
        )
        pads: list[int] = []
        for size, side, stride, dilation in zip(rows.shape[1:3], kernel, strides, dilations, strict=True):
            reach = dilation * (side - 1) + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0) if options.padding == SAME else 0
            pads = [total // 2, total - total // 2, *pads]  # of the last dimension first
        groups = rows.shape[3] if self.kind == "DEPTHWISE_CONV_2D" else 1
        return convolved(rows, weight.floats_exactly, pads=pads, strides=strides, dilations=dilations, groups=groups)

    def _alone(self) -> Tensor:
        from ai_edge_litert.interpreter import Interpreter

        given = [int(index) for index in self.held.inputs if index >= 0]
        given = list(dict.fromkeys(index for index in given if not constant(self.model, self.graph, index)))
        out = int(self.held.outputs[0])
        content = part(self.model, self.graph, [self.held], given, [out], METHOD)
        with quiet():
            runner = Interpreter(model_content=content, num_threads=1).get_signature_runner(METHOD)
        found = runner(**{str(index): self.tensors[index] for index in given})
        return torch.from_numpy(found[str(out)]).double()


def _padded(one: Operator) -> Tensor:
    pairs = one.numbers(one.held.inputs[1], np.int32).reshape(-1, 2)
    sides = pairs[::-1].reshape(-1).tolist()  # of the last dimension first
    return F.pad(one.real(one.held.inputs[0]), sides)


SIMULATED: Mapping[str, Callable[[Operator], Tensor]] = MappingProxyType(
    {
        "ADD": lambda one: one.real(one.held.inputs[0]) + one.real(one.held.inputs[1]),
        "MUL": lambda one: one.real(one.held.inputs[0]) * one.real(one.held.inputs[1]),
        "LOGISTIC": lambda one: one.real(one.held.inputs[0]).sigmoid(),
        "PAD": _padded,
        "QUANTIZE": lambda one: one.real(one.held.inputs[0]),
        "DEQUANTIZE": lambda one: one.real(one.held.inputs[0]),
    }
)
"""By operator without weights, the real numbers that it gives for those that go in."""
