"""Where in a quantized model the error grows: every tensor of both models, side by side."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.backends.litert.graph import module_of, only, packed, parsed, signature_graph, tensor_name
from export.core.exporter import LayerOutput
from export.core.methods import Method
from minivlm.quiet import quiet


def layers(exact: bytes, quantized: bytes, method: Method) -> Iterator[LayerOutput]:
    """Yield what each module's operators compute in both models, in the order of execution."""
    expected = dict(tensors(exact, method))
    for name, given in tensors(quantized, method):
        if name in expected:
            yield LayerOutput(module_of(name), expected[name], given)


def tensors(content: bytes, method: Method) -> Iterator[tuple[str, Tensor]]:
    """Run a method on its example and yield, in order of execution, what its modules' operators compute, as floats."""
    model = parsed(content)
    _, graph = signature_graph(model, method.name)
    for index, value in watched(model, method):
        name = tensor_name(graph, index)
        if module_of(name) and value.dtype in (np.float32, np.int8):
            yield name, torch.from_numpy(_as_float(value, graph.tensors[index].quantization))


def watched(model: Any, method: Method) -> Iterator[tuple[int, Any]]:
    """Run a method on its example and yield its inputs and, in order of execution, all that operators compute.

    Yields:
        Number of the tensor, and its numbers as they are.
    """
    signature, graph = signature_graph(model, method.name)
    inputs = [int(item.tensorIndex) for item in signature.inputs]
    computed = [int(index) for operator in graph.operators for index in operator.outputs]
    yield from inner_values(model, method, [method.example], [*inputs, *computed])


def inner_values(
    model: Any, method: Method, samples: Iterable[tuple[Tensor, ...]], indices: Sequence[int]
) -> Iterator[tuple[int, Any]]:
    """Run a method on samples and yield what each leaves in some of its tensors: their numbers, and their contents."""
    from ai_edge_litert.interpreter import Interpreter

    signature, graph = signature_graph(model, method.name)
    with quiet():
        interpreter = Interpreter(
            model_content=packed(only(model, graph)), experimental_preserve_all_tensors=True, num_threads=1
        )
        interpreter.allocate_tensors()
    types = {item["index"]: item["dtype"] for item in interpreter.get_tensor_details()}
    for sample in samples:
        values = dict(zip(method.inputs, sample, strict=True))
        for item in signature.inputs:
            value = values[item.name.decode()].numpy().astype(types[item.tensorIndex])
            interpreter.set_tensor(item.tensorIndex, value)
        interpreter.invoke()
        for index in indices:
            yield index, interpreter.get_tensor(index)


def _as_float(value: Any, held: Any) -> Any:
    if value.dtype != np.int8:
        return value
    return (value.astype(np.float32) - held.zeroPoint[0]) * np.float32(held.scale[0])
