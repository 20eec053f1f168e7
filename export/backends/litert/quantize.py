"""Storing a converted model's weights in 4, 8 or 16 bits, by ai-edge-quantizer.

The tensors' names say which module an operator belongs to, see `export.backends.litert.convert`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from export.backends.litert.biases import make_room_for_biases
from export.backends.litert.graph import (
    constant,
    graphs,
    kind,
    macs,
    module_of,
    number_ends,
    packed,
    parsed,
    share_buffers,
    share_scales,
    signature_graph,
    tensor_name,
)
from export.backends.litert.layers import inner_values
from export.core.methods import Method
from export.core.precision import WEIGHTED, Decision, Kind, Mode, Rule, deciding_rule
from export.core.ranges import SWISH_END, Spread
from export.core.recipe import Recipe

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "CONV_2D": Kind.CONVOLUTION,
        "DEPTHWISE_CONV_2D": Kind.DEPTHWISE,
        "FULLY_CONNECTED": Kind.LINEAR,
        "EMBEDDING_LOOKUP": Kind.EMBEDDING,
        "ADD": Kind.ARITHMETIC,
        "MUL": Kind.ARITHMETIC,
        "LOGISTIC": Kind.ARITHMETIC,
        "PAD": Kind.ARITHMETIC,
    }
)
"""Operators that can be quantized."""
STEPS = 255
"""Between the smallest and the largest whole number of an activation."""


@dataclass(frozen=True)
class Placed:
    """An operator of a signature.

    Attributes:
        output: Name of the tensor that it computes.
        module: Dotted name of the module that it belongs to.
        kind: Such as CONV_2D.
        macs: Multiply-adds.
        stored: Element type of its weights as the schema numbers it, None if it has none.
    """

    output: str
    module: str
    kind: str
    macs: int
    stored: int | None


def quantize(content: bytes, methods: Sequence[Method], recipe: Recipe) -> tuple[bytes, list[Decision]]:
    """Return a model with smaller weights, and what was decided about its layers with weights."""
    from ai_edge_quantizer import quantizer

    made = quantizer.Quantizer(content)
    placed = [item for method in methods for item in operators(content, method.name)]
    alike: dict[tuple[str, Rule], list[str]] = {}
    for item in placed:
        if item.kind in KINDS:
            rule = deciding_rule(recipe.rules, item.module, KINDS[item.kind])
            if rule.mode is not Mode.FLOAT:
                alike.setdefault((item.kind, rule), []).append(item.output)
    if not alike:  # the quantizer refuses to do nothing
        return content, decisions(placed, recipe)
    for (operation, rule), outputs in alike.items():
        _add(made, operation, rule, outputs)
    ranges = measured(content, methods, recipe) if made.need_calibration else None
    model = parsed(made.quantize(ranges, enable_progress_report=False).quantized_model)
    number_ends(model, methods)  # behind static layers there are new tensors
    if ranges is not None:
        make_room_for_biases(model, parsed(content))
    share_buffers(model)
    share_scales(model)
    return packed(model), decisions(placed, recipe)


def decisions(placed: Iterable[Placed], recipe: Recipe) -> list[Decision]:
    """Return what a recipe decides about those operators that have weights."""
    weighted = (item for item in placed if item.stored is not None and KINDS.get(item.kind) in WEIGHTED)
    return recipe.decide(dict.fromkeys((item.module, KINDS[item.kind]) for item in weighted))


def operators(content: bytes, signature: str) -> Iterator[Placed]:
    """Yield the operators of a signature."""
    model = parsed(content)
    graph = dict(graphs(model))[signature]
    for operator in graph.operators:
        output = tensor_name(graph, operator.outputs[0])
        weights = [index for index in operator.inputs[1:2] if index >= 0 and constant(model, graph, index)]
        stored = graph.tensors[weights[0]].type if weights else None
        yield Placed(output, module_of(output), kind(model, operator), macs(model, graph, operator), stored)


def measured(content: bytes, methods: Sequence[Method], recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Return the ranges of what static layers read and write in methods that photos go into, as the quantizer has them.

    Its own calibrator keeps the smallest and the largest number, see `export.core.ranges`.
    """
    model, ranges = parsed(content), {}
    for method in (one for one in methods if one.detector):
        _, graph = signature_graph(model, method.name)
        indices = static_tensors(model, graph, recipe)
        into_swish = swish_inputs(model, graph)
        spreads = {index: Spread(SWISH_END) if index in into_swish else Spread() for index in indices}
        for index, value in inner_values(model, method, recipe.samples(method), indices):
            spreads[index].add(torch.from_numpy(value))
        for index, spread in spreads.items():
            shape = (1,) * len(graph.tensors[index].shape)
            low, high = (np.full(shape, end, np.float32) for end in spread.best(STEPS))
            ranges[tensor_name(graph, index)] = {"min": low, "max": high}
    return ranges


def static_tensors(model: Any, graph: Any, recipe: Recipe) -> list[int]:
    """Return the tensors, but for constants, that a graph's operators with static ranges read and write."""
    found: dict[int, None] = {}
    for operator in graph.operators:
        name = kind(model, operator)
        module = module_of(tensor_name(graph, operator.outputs[0]))
        if name in KINDS and deciding_rule(recipe.rules, module, KINDS[name]).mode is Mode.STATIC:
            ends = (int(index) for index in (*operator.inputs, *operator.outputs))
            found |= dict.fromkeys(index for index in ends if index >= 0 and not constant(model, graph, index))
    return list(found)


def swish_inputs(model: Any, graph: Any) -> set[int]:
    """Return the tensors that nothing reads but swish: a sigmoid, and the product of both."""
    readers: dict[int, list[Any]] = {}
    for operator in graph.operators:
        for index in {int(index) for index in operator.inputs}:
            readers.setdefault(index, []).append(operator)
    ends = {int(index) for index in graph.outputs}
    found = set()
    for index, reading in readers.items():
        gates = {int(one.outputs[0]) for one in reading if kind(model, one) == "LOGISTIC"}
        products = [one for one in reading if kind(model, one) == "MUL" and gates & {int(end) for end in one.inputs}]
        if gates and len(gates) + len(products) == len(reading) and index not in ends:
            found.add(index)
    return found


def _add(made: Any, operation: str, rule: Rule, outputs: Sequence[str]) -> None:
    """Add one rule for all operators of a kind: the quantizer tries every rule on every operator.

    With a rule for each, a whole model took ten minutes, most of them to compile patterns again and again.
    """
    from ai_edge_quantizer import qtyping

    these, name = f"^(?:{'|'.join(map(re.escape, outputs))});", qtyping.TFLOperationName(operation)
    match rule.mode:
        case Mode.STATIC:
            made.add_static_config(these, name, activation_num_bits=rule.bits, weight_num_bits=rule.bits)
        case Mode.DYNAMIC:
            shared = f"BLOCKWISE_{rule.group}" if rule.group else "CHANNELWISE"
            made.add_dynamic_config(these, name, num_bits=rule.bits, granularity=qtyping.QuantGranularity(shared))
        case _:
            made.update_quantization_recipe(these, name, _stored_half(), "float_casting")


def _stored_half() -> Any:
    """Return the quantizer's way of storing weights in fp16 and computing in fp32."""
    from ai_edge_quantizer import qtyping

    return qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
