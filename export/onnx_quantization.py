"""int8 ONNX graphs, by ONNX Runtime's own quantizers.

A detector computes in int8 where ONNX Runtime's integer kernels win against its float ones, and stores int8 weights
where the bytes are; see `STATIC` and `STORED`. A transformer is quantized dynamically: activations get their scale as they come.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from export.methods import Method
from export.onnx_graph import layer_of
from export.parity import sqnr
from export.recipe import Recipe

LAYER_SQNR = 15.0
"""dB of a layer's output in the quantized graph, all errors before it included, below which it is said to go wrong."""

STATIC = ("*.box_head.fc1", "*.box_head.fc2", "*.box_head.classifier")
"""Layers of a detector that compute in int8, with calibrated activations: 1.1 of 3.5 GMAC, three times faster so.

Integer convolutions were tried and win nothing. All of them take 15 ms where the float ones take 30, and the 15 ms go
into quantizing maps, dequantizing them for swish, and turning them from one memory layout into another; but tensors of
a third of the layers then pass through 256 levels, and the regions that both sides find fell from 36 % to 24 %."""

STORED = ("*.blocks.[34].*.conv_pw*", "*.blocks.[34].*.se.*", "*.blocks.[56].*")
"""Layers of a detector that compute in float with int8 weights, which ONNX Runtime dequantizes when it loads the file:
a quarter of the bytes at float's speed. With the box head they hold 95 % of the weights. All others stay in float: few
bytes, and early rounding passes through the whole network."""

DETECTOR_OPERATORS = ("Conv", "Gemm")
TRANSFORMER_OPERATORS = ("MatMul", "Gemm", "Gather")
"""Operators to quantize where they have a weight. A detector's Gather reads tables of anchors, not of weights."""


def quantize(model: onnx.ModelProto, method: Method, recipe: Recipe) -> tuple[onnx.ModelProto, list[str]]:
    """Quantize a graph of `onnx_graph`.

    Returns:
        The int8 graph, and the layers with weights that it left in float.
    """
    layers = layers_of(model, method)
    if method.kind == "regions":
        kept = {layer for layer in map(layer_of, layers) if not matches(layer, (*STATIC, *STORED))}
        kept |= {layer for layer in map(layer_of, layers) if recipe.keeps_float(layer)}
        quantized = _quantize_detector(model, [node for node in layers if layer_of(node) not in kept], method, recipe)
    else:
        kept = {layer for layer in map(layer_of, layers) if recipe.keeps_float(layer)}
        quantized = _quantize_transformer(model, [node.name for node in layers if layer_of(node) in kept])
    drop_unused_weights(quantized.graph)
    return quantized, sorted(kept)


def matches(layer: str, patterns: Sequence[str]) -> bool:
    """Tell whether a layer's name fits any of the patterns."""
    return any(fnmatch(layer, pattern) for pattern in patterns)


def layers_of(model: onnx.ModelProto, method: Method) -> list[onnx.NodeProto]:
    """Return the nodes that could be quantized, those with a weight."""
    operators = DETECTOR_OPERATORS if method.kind == "regions" else TRANSFORMER_OPERATORS
    weights = {item.name for item in model.graph.initializer}
    return [
        node
        for node in model.graph.node
        if node.op_type in operators and node.input[0 if node.op_type == "Gather" else 1] in weights
    ]


def _quantize_detector(
    model: onnx.ModelProto, layers: Sequence[onnx.NodeProto], method: Method, recipe: Recipe
) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    store_int8_weights(stored, [node.name for node in layers if matches(layer_of(node), STORED)])
    static = [node.name for node in layers if matches(layer_of(node), STATIC)]
    if not static:  # the quantizer takes an empty list for all
        return stored
    return _written(
        lambda path: quantize_static(
            stored,
            path,
            SampleReader(method, recipe),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(DETECTOR_OPERATORS),
            nodes_to_quantize=static,
        )
    )


class SampleReader:
    """Hands a method's calibration inputs to ONNX Runtime's calibrator, one after another."""

    def __init__(self, method: Method, recipe: Recipe) -> None:
        self._samples: Iterator[dict[str, Any]] = (
            {name: tensor.numpy() for name, tensor in zip(method.inputs, sample, strict=True)}
            for sample in recipe.samples(method)
        )

    def get_next(self) -> dict[str, Any] | None:
        """Return the next sample, or None after the last."""
        return next(self._samples, None)


def _quantize_transformer(model: onnx.ModelProto, excluded: Sequence[str]) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    return _written(
        lambda path: quantize_dynamic(
            model,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(TRANSFORMER_OPERATORS),
            nodes_to_exclude=[*excluded, *(f"{name}_MatMul" for name in excluded)],  # what a Gemm becomes
        )
    )


def _written(write: Callable[[Path], None]) -> onnx.ModelProto:
    """Return what a quantizer writes to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        write(path)
        return onnx.load(path)


def store_int8_weights(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Store the weights of convolutions and Gemms in int8, a scale an output channel, in place.

    ONNX Runtime dequantizes them once, when it loads the file, so that they cost a quarter of the bytes and no time.
    """
    graph = model.graph
    weights = {item.name: item for item in graph.initializer}
    added = []
    for node in graph.node:
        if node.name not in names:
            continue
        name = node.input[1]
        values, scale = int8_weight(numpy_helper.to_array(weights[name]))
        stored = [(values, f"{name}_int8"), (scale, f"{name}_scale")]
        graph.initializer.extend(numpy_helper.from_array(array, title) for array, title in stored)
        added.append(
            helper.make_node(
                "DequantizeLinear",
                [title for _, title in stored],
                [f"{name}_float"],
                name=f"{layer_of(node)}/DequantizeLinear",
                axis=0,
            )
        )
        node.input[1] = f"{name}_float"
    for position, node in enumerate(added):
        graph.node.insert(position, node)
    drop_unused_weights(graph)


def int8_weight(weight: Any) -> tuple[Any, Any]:
    """Round a float32 weight, output channels first, to int8 values and one float32 scale a channel."""
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    scale = np.where(largest > 0.0, largest / 127.0, 1.0).astype(np.float32)
    values = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int8)
    return values, scale


def drop_unused_weights(graph: onnx.GraphProto) -> None:
    """Remove tensors that no node reads: the float originals of quantized ones."""
    read = {name for node in graph.node for name in node.input}
    kept = [item for item in graph.initializer if item.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def weakest_layer(model: onnx.ModelProto, method: Method, recipe: Recipe) -> str | None:
    """Return the first layer whose output in the int8 graph falls below `LAYER_SQNR`; None if none does."""
    layers = {node.output[0]: layer_of(node) for node in layers_of(model, method)}
    quantized, _ = quantize(model, method, recipe)
    expected, given = (run_to(graph, list(layers), method) for graph in (model, quantized))
    for output, layer in layers.items():
        if output in given and sqnr(expected[output], given[output]) < LAYER_SQNR:
            return layer
    return None


def run_to(model: onnx.ModelProto, outputs: Sequence[str], method: Method) -> Mapping[str, torch.Tensor]:
    """Run a graph on a method's example and return inner values by name, those that it has."""
    import onnxruntime

    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    made = {name for node in model.graph.node for name in node.output}
    present = [name for name in outputs if name in made]
    final = {item.name for item in model.graph.output}
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in present if name not in final)
    session = onnxruntime.InferenceSession(opened.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {name: tensor.numpy() for name, tensor in method.inputs.items()}
    return {name: torch.from_numpy(array) for name, array in zip(present, session.run(present, feed), strict=True)}
