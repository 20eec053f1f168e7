"""int8 and int4 ONNX graphs, by ONNX Runtime's own quantizers.

A detector computes in int8 where ONNX Runtime's integer kernels win against its float ones, and stores int8 weights
where the bytes are. A transformer is quantized dynamically: activations get their scale as they come. In int4 its
matrices are stored in groups of 4-bit weights; the detector and the embeddings are those of int8.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from export.backends.onnx.convert import layer_of
from export.backends.onnx.groups import store_in_groups
from export.backends.onnx.rounding import round_for_inputs, round_to_nearest, second_moments
from export.backends.onnx.values import seen, watch
from export.core.exporter import LayerOutput
from export.core.methods import Method
from export.core.precision import Decision, Kind, Mode
from export.core.ranges import Spread
from export.core.recipe import Recipe

PRODUCTS = ("Conv", "Gemm")
"""Operators of a detector that can compute in integers."""
ARITHMETIC_OPERATORS = ("Add", "Clip")
"""Operators of a detector that integer convolutions feed: a Clip becomes part of the range of the one before it."""
STEPS = 255
"""Of the range of what is rounded to unsigned 8 bits."""
TRANSFORMER_OPERATORS = ("MatMul", "Gemm", "Gather")
"""Operators to quantize where they have a weight."""
PARAMETER = ".weight"
"""How names of tables end that are a module's weights; a detector's Gather reads tables of anchors, too."""


def quantize(model: onnx.ModelProto, method: Method, recipe: Recipe) -> tuple[onnx.ModelProto, list[Decision]]:
    """Quantize a graph of `onnx_graph`.

    Returns:
        The graph, and what was decided about its layers with weights.
    """
    layers = layers_of(model, method)
    decisions = recipe.decide((layer_of(node), kind_of(node)) for node in layers)
    by_mode: dict[Mode, list[onnx.NodeProto]] = {mode: [] for mode in Mode}
    for node, decision in zip(layers, decisions, strict=True):
        by_mode[decision.rule.mode].append(node)
    quantized = _quantize_detector if method.detector else _quantize_transformer
    made = quantized(model, by_mode, method, recipe)
    drop_unused_weights(made.graph)
    return made, decisions


def kind_of(node: onnx.NodeProto) -> Kind:
    """Return the kind of a node with a weight."""
    if node.op_type == "Conv":
        groups = next((item.i for item in node.attribute if item.name == "group"), 1)
        return Kind.DEPTHWISE if groups > 1 else Kind.CONVOLUTION
    return Kind.EMBEDDING if node.op_type == "Gather" else Kind.LINEAR


def layers_of(model: onnx.ModelProto, method: Method) -> list[onnx.NodeProto]:
    """Return the nodes that could be quantized, those with a weight."""
    operators = (*PRODUCTS, "Gather") if method.detector else TRANSFORMER_OPERATORS
    weights = {item.name for item in model.graph.initializer}
    return [
        node
        for node in model.graph.node
        if node.op_type in operators
        and node.input[place_of_weight(node)] in weights
        and (node.op_type != "Gather" or node.input[0].endswith(PARAMETER))
    ]


def place_of_weight(node: onnx.NodeProto) -> int:
    """Return which of a node's inputs is its weight, where it has one."""
    return 0 if node.op_type == "Gather" else 1


def _quantize_detector(
    model: onnx.ModelProto, layers: Mapping[Mode, Sequence[onnx.NodeProto]], method: Method, recipe: Recipe
) -> onnx.ModelProto:
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        TensorsData,
        quantize_static,
        save_tensors_data,
    )

    samples = calibration_samples(method, recipe)
    tables = [node for node in (*layers[Mode.DYNAMIC], *layers[Mode.STATIC]) if kind_of(node) is Kind.EMBEDDING]
    stored = store_int8_weights(model, [*layers[Mode.WEIGHT_ONLY], *tables], samples)
    products = [node for node in layers[Mode.STATIC] if kind_of(node) is not Kind.EMBEDDING]
    static = [*products, *static_arithmetic(model, recipe)]
    if not static:  # the quantizer takes an empty list for all
        return stored
    ranges = activation_ranges(stored, static, samples)

    def write(path: Path) -> None:
        measured = path.with_suffix(".json")  # in place of what the quantizer would measure
        save_tensors_data(TensorsData(CalibrationMethod.MinMax, ranges), measured)
        quantize_static(
            stored,
            path,
            None,
            calibration_cache_path=measured,
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=[*PRODUCTS, *ARITHMETIC_OPERATORS],
            nodes_to_quantize=[node.name for node in static],
        )

    return _written(write)


def activation_ranges(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], samples: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[Any, Any]]:
    """Return the range, in float32, that each input and output of some nodes is rounded in; not of constants.

    The quantizer gives what a Clip reads the range of what it passes on.
    """
    constants = {item.name for item in model.graph.initializer}
    names = {name for node in nodes for name in (*node.input, *node.output) if name} - constants
    spreads = {name: Spread() for name in sorted(names)}
    for name, array in seen(model, list(spreads), samples):
        spreads[name].add(torch.from_numpy(array))
    found = {name: spread.best(STEPS) for name, spread in spreads.items()}
    return {name: (np.float32(ends.low), np.float32(ends.high)) for name, ends in found.items()}


def static_arithmetic(model: onnx.ModelProto, recipe: Recipe) -> list[onnx.NodeProto]:
    """Return the nodes without weights that a recipe computes in int8."""
    return [
        node
        for node in model.graph.node
        if node.op_type in ARITHMETIC_OPERATORS and recipe.rule_of(layer_of(node), Kind.ARITHMETIC).mode is Mode.STATIC
    ]


def calibration_samples(method: Method, recipe: Recipe) -> list[dict[str, Any]]:
    """Return a method's calibration inputs by name."""
    return [
        {name: tensor.numpy() for name, tensor in zip(method.inputs, sample, strict=True)}
        for sample in recipe.samples(method)
    ]


def _quantize_transformer(
    model: onnx.ModelProto, layers: Mapping[Mode, Sequence[onnx.NodeProto]], method: Method, recipe: Recipe
) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    excluded = [node.name for mode, nodes in layers.items() if mode is not Mode.DYNAMIC for node in nodes]
    grouped: dict[int, list[str]] = {}
    for node in layers[Mode.DYNAMIC]:
        group = recipe.rule_of(layer_of(node), kind_of(node)).group
        if group:
            grouped.setdefault(group, []).append(node.name)
    excluded += [name for names in grouped.values() for name in names]
    made = _written(
        lambda path: quantize_dynamic(
            model,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(TRANSFORMER_OPERATORS),
            nodes_to_exclude=[*excluded, *map(product_of, excluded)],
        )
    )
    for group, names in grouped.items():
        made = store_in_groups(made, [*names, *map(product_of, names)], group)
    return made


def product_of(gemm: str) -> str:
    """Return the name of the MatMul that ONNX Runtime's quantizer, rounding it or not, makes of a Gemm."""
    return f"{gemm}_MatMul"


def _written(write: Callable[[Path], None]) -> onnx.ModelProto:
    """Return what a quantizer writes to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        write(path)
        return onnx.load(path)


def store_int8_weights(
    model: onnx.ModelProto, layers: Sequence[onnx.NodeProto], samples: Sequence[Mapping[str, Any]]
) -> onnx.ModelProto:
    """Return a copy that stores the weights of some layers in int8, a scale an output channel, or one a table.

    ONNX Runtime dequantizes them once, when it loads the file, so that they cost a quarter of the bytes and no time.
    """
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    weights = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    pointwise = {node.input[0] for node in layers if weights[node.input[place_of_weight(node)]].shape[2:] == (1, 1)}
    moments = second_moments(model, sorted(pointwise), samples)
    names, added = {node.name for node in layers}, []
    for node in stored.graph.node:
        if node.name not in names:
            continue
        place = place_of_weight(node)
        value, name = node.input[1 - place], node.input[place]
        weight = weights[name]
        if value in moments:
            values, scale = round_for_inputs(weight, moments[value])
        else:  # a table has one scale, as ONNX Runtime's own quantizer gives those of a transformer
            values, scale = round_to_nearest(weight[None] if node.op_type == "Gather" else weight)
        scales = scale.reshape(-1, *[1] * (weight.ndim - 1))
        parts = {f"{name}_int8": values.reshape(weight.shape), f"{name}_scale": scales}
        stored.graph.initializer.extend(numpy_helper.from_array(array, title) for title, array in parts.items())
        widened, node.input[place] = f"{name}_widened", f"{name}_float"
        # Not a DequantizeLinear: with integer layers beside it ONNX Runtime keeps it for every run, and its convolution
        # then takes the slow layout (tee-0 gained 5 % instead of 13). Cast and Mul of constants it folds.
        added += [
            helper.make_node("Cast", [f"{name}_int8"], [widened], name=widened, to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [widened, f"{name}_scale"], [f"{name}_float"], name=f"{name}_float"),
        ]
    for position, node in enumerate(added):
        stored.graph.node.insert(position, node)
    drop_unused_weights(stored.graph)
    return stored


def drop_unused_weights(graph: onnx.GraphProto) -> None:
    """Remove tensors that no node reads: the float originals of quantized ones."""
    read = {name for node in graph.node for name in node.input}
    kept = [item for item in graph.initializer if item.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def layers(model: onnx.ModelProto, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
    """Yield what each layer with weights computes, exactly and in the int8 graph, in the order of execution."""
    names = {node.output[0]: layer_of(node) for node in layers_of(model, method)}
    quantized, _ = quantize(model, method, recipe)
    exact, given = (run_to(graph, list(names), method) for graph in (model, quantized))
    for output, layer in names.items():
        if output in given:
            yield LayerOutput(layer, exact[output], given[output])


def run_to(model: onnx.ModelProto, outputs: Sequence[str], method: Method) -> Mapping[str, torch.Tensor]:
    """Run a graph on a method's example and return inner values by name, those that it has."""
    made = {name for node in model.graph.node for name in node.output}
    return watch(model, [name for name in outputs if name in made], method)
