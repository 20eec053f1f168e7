"""Whole numbers of a Core ML package: its stored weights, and what is computed with them beside plain sums.

The reference executor runs a function of the package once; what goes into a layer and what comes out is read there, as
Core ML itself shows nothing between operators. The executor turns whole numbers into floats, mostly float16, before it
multiplies, as the program says; the sums here are of the whole numbers themselves.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.backends.coreml.convert import layer_of
from export.backends.coreml.quantize import BLOCKS, kind_of, stored_layers
from export.core.integers import IntegerLayer, LayerRun, StoredWeight, product, requantized
from export.core.methods import Method
from export.mil.executor import MilFunction, dtype_name, rounded
from export.mil.quantization import RANGES
from minivlm.errors import UserError
from minivlm.vision.bifpn import WeightedSum

BITS: Mapping[str, int] = MappingProxyType({"int4": 4, "int8": 8})
"""By MIL's name of a stored weight's element type."""
FLOATS: Mapping[str, torch.dtype] = MappingProxyType({"fp16": torch.float16, "fp32": torch.float32})
"""By MIL's name of a result's element type."""
IN_HALF = 127 * 2.0**-11
"""Steps by which float16 moves the largest whole number that it stands for."""


def integer_layers(function: Any, method: Method) -> Iterator[IntegerLayer]:
    """Yield every operator of a function that has weights, with what it computes where these are whole numbers.

    Args:
        function: As `export.mil.executor.read_functions` gives it.
        method: Whose example it runs.

    Raises:
        UserError: A convolution with whole numbers is padded in a way that nothing here knows.
    """
    found = [(name, Operator(one, weight)) for name, one, weight in stored_layers(function, method.module)]
    values = watch(function, {variable for _, one in found for variable in one.ends}, method)
    modules = dict(method.module.named_modules())
    for name, one in found:
        weight = replace(one.stored(), factor=factor(one.held, name, modules))
        run = one.run(weight, values) if one.whole else None
        yield IntegerLayer(layer=name, kind=kind_of(one.held), weight=weight, run=run)


def factor(operation: Any, layer: str, modules: Mapping[str, nn.Module]) -> float:
    """Return what the converter has multiplied a layer's weights with: the share that a weighted sum takes of its map.

    Args:
        operation: The layer's, which then has the name of the sum's product.
        layer: Dotted name.
        modules: Of the model, by dotted name.
    """
    result = operation.outputs[0].name
    around = modules.get(layer_of(result))
    if layer_of(result) == layer or not isinstance(around, WeightedSum):
        return 1.0
    found = re.search(r"mul_?(\d*)(?:_cast_fp16)?$", result)
    return 1.0 if found is None else around.frozen().weights[int(found[1] or 0)]


def watch(function: Any, wanted: set[Any], method: Method) -> Mapping[Any, Tensor]:
    """Run a function on a method's example and return the values of some variables, and of its inputs."""
    runner = MilFunction(function)
    values = {
        variable: rounded(method.inputs[name], dtype_name(variable), name) for name, variable in runner.inputs.items()
    }

    def see(operation: Any, result: Tensor) -> None:
        if operation.outputs[0] in wanted:
            values[operation.outputs[0]] = result

    runner.run(method.inputs, see)
    return values


@dataclass(frozen=True)
class Operator:
    """An operator with a stored weight.

    Attributes:
        held: As coremltools reads it.
        weight: The operation that gives its weight: a constant, or whole numbers with their scales.
    """

    held: Any
    weight: Any

    @property
    def whole(self) -> bool:
        """Whether the weight is stored in whole numbers."""
        return bool(self.weight.op_type == BLOCKS)

    @property
    def reading(self) -> Any:
        """The dequantize that gives its input; None where the input was no whole number."""
        operation = None if self.held.op_type == "gather" else self.held.inputs["x"].op
        return operation if operation is not None and operation.op_type == "dequantize" else None

    @property
    def source(self) -> Any:
        """The variable that goes in, before it is rounded."""
        if self.held.op_type == "gather":
            return self.held.inputs["indices"]
        return self.held.inputs["x"] if self.reading is None else self.reading.inputs["input"].op.inputs["input"]

    @property
    def ends(self) -> tuple[Any, ...]:
        """The variables that a run has to show; none of a layer in float."""
        return (self.source, self.held.outputs[0]) if self.whole else ()

    def stored(self) -> StoredWeight:
        """Return the stored weights and bias."""
        if self.whole:
            data, stepped, offset = (self.weight.inputs.get(name) for name in ("data", "scale", "offset"))
            values, bits, scale = constant(data), BITS.get(dtype_name(data), 0), by_block(stepped)
            zero = torch.zeros_like(scale) if offset is None else by_block(offset)
        else:
            stepped = self.weight.outputs[0]
            values, bits, scale, zero = constant(stepped).float(), 32, torch.ones(1, 1), torch.zeros(1, 1)
        bias = self.held.inputs.get("bias")
        return StoredWeight(
            values=values,
            scale=scale,
            zero=zero,
            bits=bits,
            bias=None if bias is None else constant(bias).float(),
            half=dtype_name(stepped) == "fp16",
        )

    def run(self, weight: StoredWeight, values: Mapping[Any, Tensor]) -> LayerRun | None:
        """Return what the layer gives beside the sums; None where the run shows no such value.

        One step is what one step of one input changes at most, or of one weight where inputs are floats; of so many
        that float16 moves them further, all together, that; and what the result's own type can tell apart.
        """
        given = values.get(self.held.outputs[0])
        source = constant(self.source) if self.source.val is not None else values.get(self.source)
        if given is None or source is None:
            return None
        if self.held.op_type == "gather":
            expected, step = weight.floats_exactly[source.long()], weight.scale.amin().double()
        elif self.reading is None:
            expected = self._sums(source.double(), weight)
            step = self._by_row(source.double().abs().amax() * weight.scale.amax(dim=1))
        else:
            whole, scale = rounded_input(self.reading.inputs["input"].op, source)
            expected = self._sums(whole, weight, scale)
            largest = (weight.by_group.abs().amax(dim=-1) * weight.scale).amax(dim=1)
            step = self._by_row(scale * largest.double())
        if weight.half and self.held.op_type != "gather":
            step = step * max(1.0, IN_HALF * math.sqrt(weight.values[0].numel()))  # at random, so that few add up
        apart = torch.finfo(FLOATS[dtype_name(self.held.outputs[0])])
        spacing = expected.abs().clamp(min=apart.smallest_normal) * apart.eps
        return LayerRun(given=given, expected=expected, step=step + spacing)

    def _sums(self, rows: Tensor, weight: StoredWeight, scale: float = 1.0) -> Tensor:
        """Return the real numbers that a layer gives for rows or a map in steps of `scale`, in float64."""
        if self.held.op_type == "linear":
            sums = product(rows, weight.floats_exactly)
        else:
            facts = {name: given.val for name, given in self.held.inputs.items() if name not in ("x", "weight", "bias")}
            padded = F.pad(rows, around(facts))
            strides, dilations = (tuple(map(int, facts.get(name, (1, 1)))) for name in ("strides", "dilations"))
            sums = F.conv2d(padded, weight.floats_exactly, None, strides, 0, dilations, int(facts.get("groups", 1)))
        return sums * scale if weight.bias is None else sums * scale + self._by_row(weight.bias.double())

    def _by_row(self, numbers: Tensor) -> Tensor:
        """Lay out one number a row of the weights along the channels of what the layer gives."""
        return numbers if self.held.op_type == "linear" else numbers[:, None, None]


def around(facts: Mapping[str, Any]) -> list[int]:
    """Return the cells around a convolution's map, those of the last axis first.

    Raises:
        UserError: Their number is not said, but follows from the map.
    """
    padded = facts.get("pad_type", "valid")
    if padded == "valid":
        return [0] * 4
    if padded != "custom":
        raise UserError(
            f"a convolution in whole numbers is padded by {padded!r} and nothing simulates it: add it to"
            " export/backends/coreml/arithmetic.py, or leave it in float by --keep-float"
        )
    top, bottom, left, right = map(int, facts["pad"])
    return [left, right, top, bottom]


def rounded_input(operation: Any, source: Tensor) -> tuple[Tensor, float]:
    """Return what a quantize makes of floats, less its zero, and its scale."""
    scale, zero = float(operation.inputs["scale"].val), operation.inputs.get("zero_point")
    middle = 0 if zero is None else int(zero.val)
    return requantized(source, scale, middle, *RANGES[operation.inputs["output_dtype"].val]) - middle, scale


def constant(variable: Any) -> Tensor:
    """Return a constant's numbers; narrow whole ones, of which PyTorch has not all, in int32."""
    array = np.asarray(variable.val)
    return torch.from_numpy(np.array(array, dtype=np.int32 if array.dtype.kind in "iu" else None))


def by_block(variable: Any) -> Tensor:
    """Return a constant with a number a block as (1, 1), (O, 1) or (O, G) float32."""
    numbers = constant(variable).float()
    return numbers.reshape(len(numbers), -1)
