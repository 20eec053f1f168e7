"""Room for biases: where a channel's weights are all but nothing, its step is one in which the bias fits.

A bias is stored in steps of input times weight. ImageNet's networks have channels whose weights are 1e-10 and less and
whose bias is -1: of such steps it takes more than an int32 counts, and what the runtime then adds is another number.
"""

from typing import Any

import numpy as np

from export.backends.litert.graph import INT32, graphs, kind, numbers, tensor_name

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
MOST_STEPS = 2.0**24
"""Of a bias: as many digits as a float32 has."""


def make_room_for_biases(model: Any, exact: Any) -> None:
    """Give channels of static convolutions larger steps where their biases need them, in place.

    Args:
        model: Quantized, as objects of its schema.
        exact: The float model that it was made of.
    """
    floats = dict(graphs(exact))
    for name, graph in graphs(model):
        known = {tensor_name(floats[name], one.outputs[0]): one for one in floats[name].operators}
        for operator in graph.operators:
            static = kind(model, operator) in CONVOLUTIONS and graph.tensors[operator.inputs[2]].type == INT32
            if static:
                source = known[tensor_name(graph, operator.outputs[0])]
                weights, biases = (
                    numbers(exact, floats[name], index, np.float32).reshape(floats[name].tensors[index].shape)
                    for index in source.inputs[1:3]
                )
                _make_room(model, graph, operator, weights, biases)


def _make_room(model: Any, graph: Any, operator: Any, weights: Any, biases: Any) -> None:
    stored, added = (graph.tensors[index] for index in operator.inputs[1:3])
    step = np.float32(graph.tensors[operator.inputs[0]].quantization.scale[0])
    scales = np.array(stored.quantization.scale, np.float32)
    needed = (np.abs(biases) / (step * MOST_STEPS)).astype(np.float32)
    narrow = scales < needed
    if not narrow.any():
        return
    scales[narrow] = needed[narrow]
    channel = int(stored.quantization.quantizedDimension)
    values = numbers(model, graph, operator.inputs[1], np.int8).reshape(weights.shape).copy()
    channels, exact = np.moveaxis(values, channel, 0), np.moveaxis(weights, channel, 0)
    channels[narrow] = np.rint(exact[narrow] / scales[narrow].reshape(-1, *[1] * (exact.ndim - 1)))
    whole = numbers(model, graph, operator.inputs[2], np.int32).copy()
    whole[narrow] = np.rint(biases[narrow] / (step * scales[narrow]))
    model.buffers[stored.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers[added.buffer].data = np.frombuffer(whole.tobytes(), np.uint8)
    stored.quantization.scale, added.quantization.scale = scales, step * scales
