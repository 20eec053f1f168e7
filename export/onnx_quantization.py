"""int8 ONNX graphs, by ONNX Runtime's own quantizers.

A detector is quantized where ONNX Runtime's integer kernels win against its float ones, and stores int8 weights
everywhere else; see `STATIC`. A transformer is quantized dynamically: activations get their scale as they come.
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

STATIC = ("*.box_head.fc1", "*.box_head.fc2", "*.box_head.classifier", "*.body.blocks.[3-6].*.conv_*")
"""Layers of a detector that compute in int8: the box head, and EfficientNet's blocks from stride 16 on, without
squeeze-and-excitation. Elsewhere maps are large and have few channels, and what the integer convolutions save goes into
quantizing maps, dequantizing them for swish, and turning them from one memory layout to another."""

FLOAT = ("*.rpn.objectness", "*.rpn.deltas", "*.box_head.deltas")
"""Layers of a detector that stay in float altogether: they are small, and what they put out is boxes and their order."""

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
        kept = {layer_of(node) for node in layers if _matches(layer_of(node), FLOAT)}
        kept |= {layer_of(node) for node in layers if recipe.keeps_float(layer_of(node))}
        quantized = _quantize_detector(model, [node for node in layers if layer_of(node) not in kept], method, recipe)
    else:
        kept = {layer_of(node) for node in layers if recipe.keeps_float(layer_of(node))}
        quantized = _quantize_transformer(model, [node.name for node in layers if layer_of(node) in kept])
    drop_unused_weights(quantized.graph)
    return quantized, sorted(kept)


def _matches(layer: str, patterns: Sequence[str]) -> bool:
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

    static = [node.name for node in layers if _matches(layer_of(node), STATIC)]
    stored = [node.name for node in layers if not _matches(layer_of(node), STATIC)]
    fused = fuse_swish(model)
    store_int8_weights(fused, stored)
    if not static:
        return fused
    return _written(
        lambda path: quantize_static(
            fused,
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


def fuse_swish(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy with every x * sigmoid(x) as one operator.

    ONNX Runtime fuses them by itself, but no longer once x comes out of a DequantizeLinear, which it copies for every
    reader: then swish costs three passes over the map instead of one.
    """
    fused = onnx.ModelProto()
    fused.CopyFrom(onnx.shape_inference.infer_shapes(model))
    graph = fused.graph
    gates = {node.output[0]: node for node in graph.node if node.op_type == "Sigmoid"}
    outputs = set()
    for node in graph.node:
        if node.op_type != "Mul":
            continue
        for value, gate in (node.input, reversed(node.input)):
            if gate in gates and list(gates[gate].input) == [value]:
                swish = helper.make_node(
                    "QuickGelu", [value], node.output, name=node.name, domain="com.microsoft", alpha=1.0
                )
                graph.node.remove(gates.pop(gate))
                node.CopyFrom(swish)
                outputs.add(node.output[0])
                break
    # The quantizer asks for the types of these values, and shape inference does not know the operator.
    noted = [item for item in graph.value_info if item.name in outputs]
    del graph.value_info[:]
    graph.value_info.extend(noted)
    fused.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return fused


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
